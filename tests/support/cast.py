"""People in every role, rooms of every type, and what each operation is asked with; answers as one word."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from websockets.exceptions import InvalidStatus

from chat.model.ids import message_id
from chat.model.message import message_key
from chat.model.room import RoomType
from chat.services.rooms import Rooms
from chat.store.base import Insert, Kind, Raise
from chat.store.sqlite import SqliteStore
from tests.support.chat_client import ChatClient, Refused
from tests.support.chat_system import LoneServer, room_name
from tests.support.rights import MEMBERS, OK

DEVICES = "/api/v1/devices"
ANOTHERS_DEVICE = "1f0c" * 8
MESSAGES = 300  # in each room, so that none is deleted twice
EPOCH = "epoch123"
NOTHING: dict[str, Any] = dict.fromkeys(("reply_to", "edited_at", "deleted_at"))
FURTHER = NOTHING | {"attachments": [], "metadata": {}, "reactions": {}, "created_at": "2026-01-31T12:00:00.000Z"}


class Place:
    """A room and the messages that are left in it."""

    def __init__(self, room_id: str) -> None:
        self.room_id = room_id
        self._numbers = itertools.count(1)

    def message(self) -> str:
        """Return the id of a message of `member`'s that nobody has touched."""
        return message_id(self.room_id, next(self._numbers), EPOCH)


class Cast:
    """Everybody, at a server whose store is written directly where that is quicker.

    `tokens` are by role; without one somebody is nobody over REST, and what the server makes of that on a socket.
    """

    def __init__(self, server: LoneServer, names: Mapping[str, str], tokens: Mapping[str, str]) -> None:
        self.server, self.names, self.tokens = server, names, tokens
        self._store = SqliteStore(server.store_path)
        self._rooms = Rooms(self._store, member_limit=100)
        self._clients: dict[str, ChatClient] = {}
        self._places: dict[str, Place] = {}

    def place(self, kind: str, *, is_fresh: bool) -> Place:
        """Return a room of this type, one that nothing has changed yet if it has to be fresh."""
        if is_fresh:
            return self._make(kind)
        if kind not in self._places:
            self._places[kind] = self._make(kind)
        return self._places[kind]

    def shared(self) -> dict[str, Any]:
        """Return what the rooms that nobody was allowed to change are like."""
        found = {kind: self._rooms.find(each.room_id) for kind, each in self._places.items()}
        return {
            kind: (room.name, room.deleted_at, self._rooms.roster(room.id, is_deleted_too=True).members)
            for kind, room in found.items()
            if room is not None
        }

    def ask(self, who: str, event: str, data: dict[str, Any]) -> str:
        """Send an event; return "ok" or the code of the refusal."""
        try:
            self._client(who).ask(event, data)
        except InvalidStatus as refused:
            return str(json.loads(refused.response.body or b"{}")["title"])
        except Refused as refused:
            return refused.code
        return OK

    def request(self, who: str, method: str, path: str, body: Any = None) -> str:
        """Send a request; return "ok" or the code of the refusal, which has to be a problem."""
        answer = self.server.request(method, path, body, self.tokens.get(who))
        if answer.ok:
            if (method, path) == ("POST", DEVICES):  # away with it: a test of devices would wait for a provider
                self.server.request("DELETE", f"{DEVICES}/{answer.json()['id']}", token=self.tokens[who])
            return OK
        assert answer.headers["Content-Type"] == "application/problem+json", answer.text
        told = answer.json()
        assert {"type", "title", "status", "detail"} <= told.keys()
        assert told["status"] == answer.status_code
        return str(told["title"])

    def close(self) -> None:
        """Let go of the store and let everybody leave."""
        self._store.close()
        self.server.close_clients()

    def _client(self, who: str) -> ChatClient:
        """Return somebody's connection; who has no token comes anew each time."""
        if who not in self.tokens or who == "revoked":
            return self.server.client(self.tokens.get(who))
        if who not in self._clients:
            self._clients[who] = self.server.client(self.tokens[who])
        return self._clients[who]

    def _make(self, kind: str) -> Place:
        names, room_id = self.names, room_name()
        if kind == "unknown":
            return Place(room_id)
        if kind == "direct":
            room, _ = self._rooms.create(
                RoomType.DIRECT, names["owner"], [names["member"]], room_id=room_id, name=None
            )
            return self._with_messages(room.id)
        others = [names[each] for each in ("admin", "member", "removed", "other", "second")]
        is_channel = kind == "channel"
        room_type = RoomType.CHANNEL if is_channel else RoomType.GROUP
        self._rooms.create(room_type, names["owner"], others, room_id=room_id, name="A room")
        place = self._with_messages(room_id)
        path = f"/api/v1/rooms/{room_id}"
        for each in ("admin", "second"):
            assert self.request("owner", "PUT", f"{path}/members/{names[each]}", {"role": "admin"}) == OK
        assert self.ask("removed", "join-chat-rooms", {"roomIds": [room_id]}) == OK
        assert self.request("owner", "DELETE", f"{path}/members/{names['removed']}") == OK
        if kind == "deleted":
            for each in MEMBERS:
                assert self.ask(each, "join-chat-rooms", {"roomIds": [room_id]}) == OK
            assert self.request("owner", "DELETE", path) == OK
        return place

    def _with_messages(self, room_id: str) -> Place:
        body = {"room_id": room_id, "sender_id": self.names["member"], "sender_name": "Member", "content": "hello"}
        writes: list[Any] = []
        for seq in range(1, MESSAGES + 1):
            own = {"id": message_id(room_id, seq, EPOCH), "seq": seq, "temp_id": f"t-{seq}"}
            told = json.dumps(own | body | FURTHER).encode()
            writes.append(Insert(Kind.MESSAGE, message_key(room_id, seq), told))
        self._store.write_many([*writes, Raise(Kind.ROOM, room_id, "last_seq", MESSAGES)])
        return Place(room_id)


def event_data(cast: Cast, event: str, who: str, place: Place) -> dict[str, Any]:
    """Return what an event is sent with."""
    room = {"roomId": place.room_id}
    made: dict[str, Callable[[], dict[str, Any]]] = {
        "authenticate": lambda: {"token": cast.tokens.get(who) or cast.tokens["stranger"]},
        "join-chat-rooms": lambda: {"roomIds": [place.room_id]},
        "leave-chat-rooms": lambda: {"roomIds": [place.room_id]},
        "send-chat-message": lambda: room | {"content": "hello"},
        "get-messages": lambda: room | {"limit": 1},
        "get-replies": lambda: {"messageId": place.message()},
        "get-send-fate": lambda: room | {"temp_ids": ["t-1"]},
        "chat-typing": lambda: room | {"isTyping": True},
        "mark-messages-seen": lambda: room | {"seq": 1},
        "get-presence": lambda: {"userIds": [cast.names["owner"]]},
        "react-chat-message": lambda: {"messageId": place.message(), "emoji": "👍"},
        "edit-chat-message": lambda: {"messageId": place.message(), "content": "other"},
        "delete-chat-message": lambda: {"messageId": place.message()},
    }
    return made.get(event, dict)()


def route_request(cast: Cast, operation: str, who: str, place: Place) -> tuple[str, str, Any]:
    """Return the method, path and body that an operation is asked with."""
    names = cast.names
    new, myself = f"new-{secrets.token_hex(4)}", names.get(who, "nobody")
    rule, _, more = operation.partition("#")
    method, _, path = rule.partition(" ")
    user_id, body = {
        "PUT": (new, {}),
        "PUT#a new admin": (new, {"role": "admin"}),
        "PUT#a new owner": (new, {"role": "owner"}),
        "PUT#another made an admin": (names["other"], {"role": "admin"}),
        "PUT#another made an owner": (names["other"], {"role": "owner"}),
        "PUT#oneself": (myself, {}),
        "PUT#oneself as an owner": (myself, {"role": "owner"}),
        "DELETE": (names["other"], None),
        "DELETE#an admin": (names["second"], None),
        "DELETE#the only owner": (names["owner"], None),
        "DELETE#oneself": (myself, None),
    }.get(f"{method}#{more}" if more else method, ("", None))
    if "<user_id>" not in path:
        body = BODIES.get(operation.replace("/api/v1/", ""))
    if "<message_id>" in path:
        path = path.replace("<message_id>", place.message())
    path = path.replace("<room_id>", place.room_id).replace("<user_id>", user_id or new)
    path = path.replace("<device_id>", ANOTHERS_DEVICE).replace("<letter_id>", "message:7:1-0")
    if path.endswith("/presence"):
        path += f"?userIds={names['owner']}"
    return method, path, body


BODIES: dict[str, Any] = {
    "POST rooms": {"type": "group", "members": ["somebody"]},
    "PATCH rooms/<room_id>": {"name": "Another name"},
    "POST rooms/<room_id>/messages": {"content": "hello"},
    "POST rooms/<room_id>/seen": {"seq": 1},
    "PATCH messages/<message_id>": {"content": "other"},
    "POST messages/<message_id>/reactions": {"emoji": "👍"},
    "PATCH me": {"read_receipts": True},
    "PATCH me/push": {"mode": "mentions"},
    "PUT rooms/<room_id>/push": {"mode": "none"},
    "POST devices": {"kind": "fcm", "token": "a-phone"},
    "POST admin/revocations": {"user_id": "somebody-else"},
}
