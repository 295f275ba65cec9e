"""Only members are told of a room: a stranger and a removed member hear nothing of any kind while all happens."""

from __future__ import annotations

from typing import Any

from chat.protocol import told as protocol
from tests.support.chat_client import ChatClient, Refused
from tests.support.chat_system import POISON, ChatSystem, room_name

# what a connection is told of itself, of its user, or of its server
PERSONAL = {
    "welcome",
    "ack",
    "error",
    "heartbeat",
    "closing",
    "auth-expiring",
    "server-leaving",
    "message-confirmed",
    "message-failed",
}
OF_A_ROOM = {each.__struct_config__.tag for each in protocol.Event.__args__} - PERSONAL


class Cast:
    """A group of Ann, Ben and Cleo; Rob was in it until a moment ago, and Eve never was."""

    def __init__(self, system: ChatSystem, room: str) -> None:
        self.system, self.room = system, room
        self.ids = {name: f"{name}-{room}" for name in ("ann", "ben", "cleo", "rob", "eve", "fay")}
        members = [self.ids[name] for name in ("ben", "cleo", "rob")]
        self.rest("POST", "", {"id": room, "type": "group", "name": "Us", "members": members})
        self.ann, self.ben, self.rob, self.eve = (self.connect(name) for name in ("ann", "ben", "rob", "eve"))
        self.phone = self.connect("cleo")  # connected, and listening to no room
        for each in (self.ann, self.ben, self.rob):
            each.join(room)
        try:
            self.eve.join(room)
        except Refused as refused:
            assert refused.code == "not-a-member"  # noqa: PT017
        self.rob.say(room, "before I go")
        for each in (self.ann, self.ben, self.rob):
            each.until(lambda each=each: each.shown(room))  # type: ignore[misc]

    def connect(self, name: str) -> ChatClient:
        return self.system.client(self.system.token(self.ids[name]))

    def rest(self, method: str, path: str, body: Any = None) -> None:
        answer = self.system.request(method, f"/api/v1/rooms{path}", body, self.system.token(self.ids["ann"]))
        assert answer.ok, answer.text

    def do_everything(self) -> None:
        """Let each kind of event happen in the room."""
        ann, ben, room = self.ann, self.ben, self.room
        sent = ann.say(room, "hello", "t-1")
        ann.until(lambda: "t-1" in ann.confirmed())
        ann.say(room, f"{POISON} is refused by the store", "t-2")
        ben.ask("chat-typing", {"roomId": room, "isTyping": True})
        ann.ask("chat-typing", {"roomId": room, "isTyping": True})
        ann.ask("edit-chat-message", {"messageId": sent["id"], "content": "hello there"})
        for client in (ann, ben):
            client.ask("react-chat-message", {"messageId": sent["id"], "emoji": "👍"})
            client.ask("mark-messages-seen", {"roomId": room, "seq": sent["seq"]})
        ann.ask("delete-chat-message", {"messageId": sent["id"]})
        self.rest("PATCH", f"/{room}", {"name": "Others"})
        self.rest("PUT", f"/{room}/members/{self.ids['ben']}", {"role": "admin"})
        self.rest("PUT", f"/{room}/members/dan-{room}", {})
        self.connect("cleo").join(room)
        ann.until(lambda: ann.of("message-failed"), 30)

    def fence(self, *clients: ChatClient) -> None:
        """Return when these were told all that was published to their server until now."""
        other = room_name()
        for each in clients:
            each.join(other)
        speaker = self.connect("fay")  # none of the others: who shares a room may see who is online
        speaker.join(other)
        speaker.say(other, "the end")
        for each in clients:
            each.until(lambda each=each: each.shown(other))  # type: ignore[misc]
            each.ask("leave-chat-rooms", {"roomIds": [other]})

    def of_the_room(self, client: ChatClient) -> list[dict[str, Any]]:
        """Return what a client was told of the room, and of the people in it by name."""
        others = set(self.ids.values()) - {client.user_id}

        def is_meant(event: dict[str, Any]) -> bool:
            data = event["data"]
            is_status = event["event"] == "user-status" and data["userId"] in others
            named = {data.get("roomId"), data.get("room_id"), *(data.get("roomIds") or ())}
            return self.room in named or (is_status and self.room in data["roomIds"])

        return [each for each in client.events if event_of(each) in OF_A_ROOM and is_meant(each)]


def event_of(event: dict[str, Any]) -> str:
    return str(event["event"])


def test_nobody_outside_hears_a_word_while_everything_happens(system: ChatSystem, room: str) -> None:
    cast = Cast(system, room)
    cast.rest("DELETE", f"/{room}/members/{cast.ids['rob']}")
    cast.rob.until(lambda: [each["change"] for each in cast.rob.of("room-updated")][-1:] == ["member-removed"])
    known = len(cast.of_the_room(cast.rob))
    cast.do_everything()
    cast.ben.until(lambda: {event_of(each) for each in cast.of_the_room(cast.ben)} >= OF_A_ROOM - {"unread-counts"})
    cast.phone.until(lambda: cast.phone.of("unread-counts"))
    assert {event_of(each) for each in [*cast.ben.events, *cast.phone.events]} >= OF_A_ROOM
    cast.fence(cast.eve, cast.rob)
    assert cast.of_the_room(cast.eve) == []
    assert cast.of_the_room(cast.rob)[known:] == []
    for each in (cast.eve, cast.rob):  # nor when asked
        seen = each.ask("get-presence", {"userIds": [cast.ids["ann"], cast.ids["ben"]]})["users"]
        assert all(each == {"isOnline": False, "lastSeen": None} for each in seen.values())
        assert each.ask("get-unread-counts")["rooms"].get(room) is None


def test_nobody_hears_of_a_deleted_room_any_more(system: ChatSystem, room: str) -> None:
    cast = Cast(system, room)
    cast.rest("DELETE", f"/{room}")
    for each in (cast.ann, cast.ben, cast.rob):
        each.until(lambda each=each: [told["change"] for told in each.of("room-updated")][-1:] == ["deleted"])  # type: ignore[misc]
    known = {each: len(cast.of_the_room(each)) for each in (cast.ann, cast.ben, cast.rob)}
    for each in known:
        for event, data in (
            ("chat-typing", {"isTyping": True}),
            ("send-chat-message", {"content": "anybody?"}),
            ("mark-messages-seen", {"seq": 1}),
        ):
            try:
                each.ask(event, {"roomId": room, **data})
            except Refused as refused:
                assert refused.code == "room-not-found"  # noqa: PT017
            else:
                raise AssertionError(event)
    cast.rob.close()
    cast.fence(cast.ben)
    assert len(cast.of_the_room(cast.ben)) == known[cast.ben]
