"""Who is told what about reading, over the WebSocket and by requests, with the services in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, g

from chat.errors import InvalidRequest, NotAMember
from chat.gateway.identity import Identity
from chat.gateway.reading import Reading
from chat.gateway.rest import problems
from chat.gateway.rest import reading as rest_reading
from chat.model.cursor import Standing
from chat.model.publication import unread_payload
from chat.protocol import commands
from chat.services.seen import Viewer
from tests.support.local_server import ROOM, serving

COUNTS = {"total": 5, "rooms": {ROOM: 1, "r2": 4}, "mentions": {"r2": 2}, "totalMentions": 2}


class Services:
    """Membership, seen, unread and rooms at once: ann and bob are members, bob has seen two of three."""

    def __init__(self) -> None:
        self.marks: list[tuple[str, str, int | None, str | None]] = []
        self.asked: list[tuple[str, set[str]]] = []

    def require(self, room_id: str, user_id: str, *, is_guest: bool = False) -> None:
        if user_id == "eve":
            raise NotAMember("no", field="roomId")

    def mark(
        self, room_id: str, user_id: str, *, seq: int | None = None, message_id: str | None = None
    ) -> Standing:
        self.marks.append((room_id, user_id, seq, message_id))
        return Standing(2, 3, 1)

    def of(self, whose: Any) -> dict[Any, Standing]:
        pairs = [(room_id, whose) for room_id in self.ids(whose)] if isinstance(whose, str) else whose
        return {pair: Standing(2, 6, 4) if pair[0] == "r2" else Standing(2, 3, 1) for pair in pairs}

    def ids(self, user_id: str) -> set[str]:
        return {ROOM, "r2"} if user_id == "ann" else set()

    def viewers(self, room_id: str, seq: int, user_ids: Any) -> list[Viewer]:
        return [Viewer(user_id, 2, 0) for user_id in user_ids if seq <= 2 and user_id != "ann"]

    def members(self, room_id: str) -> dict[str, None]:
        return dict.fromkeys(["ann", *(f"user{number:03d}" for number in range(300))])


class Scene:
    """A server process, and its REST side for one user at a time."""

    def __init__(self, server: Any) -> None:
        self.server, self.services = server, Services()
        services: Any = self.services

        def asked(user_id: str, room_ids: Any) -> None:
            services.asked.append((user_id, set(room_ids)))

        self.reading = Reading(server.hub, services, services, services, services, asked, self.named)
        self.app = Flask(__name__, static_folder=None)
        problems.install(self.app)
        self.app.register_blueprint(rest_reading.blueprint(self.reading, services))
        self.user: str | None = "ann"

        @self.app.before_request
        def identify() -> None:
            g.identity = Identity(self.user, self.user) if self.user else None

    def named(self, standings: Any) -> dict[Any, int]:
        return {pair: 2 for pair in standings if pair == ("r2", "ann")}

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        client = self.app.test_client()
        answer = client.get(f"/api/v1/{path}") if body is None else client.post(f"/api/v1/{path}", json=body)
        return answer.status_code, answer.get_json(force=True)


@pytest.fixture
def scene() -> Iterator[Scene]:
    with serving() as server:
        yield Scene(server)


def marking(**what: Any) -> commands.MarkSeen:
    return commands.MarkSeen(commands.MarkSeenData(roomId=ROOM, **what))


def test_a_mark_names_a_message_or_a_number(scene: Scene) -> None:
    bob = scene.server.client("bob").session
    told = scene.reading.mark(bob, marking(seq=2))
    assert told == {"roomId": ROOM, "read_seq": 2, "unread": 1}
    scene.reading.mark(bob, marking(message_id="x"))
    scene.reading.mark(bob, marking(seq=0))
    assert [each[2:] for each in scene.services.marks] == [(2, None), (None, "x"), (0, None)]
    for wrong in ({}, {"seq": 1, "messageId": "x"}):
        with pytest.raises(InvalidRequest) as refusal:
            scene.reading.mark(bob, marking(**wrong))
        assert refusal.value.field == "messageId"


def test_a_stranger_marks_nothing(scene: Scene) -> None:
    with pytest.raises(NotAMember):
        scene.reading.mark(scene.server.client("eve").session, marking(seq=1))
    scene.user = "eve"
    assert scene.ask(f"rooms/{ROOM}/seen", {"seq": 1})[0] == 403
    assert scene.ask(f"rooms/{ROOM}/seen")[0] == 403
    assert scene.services.marks == []


def test_a_guest_is_told_of_the_rooms_it_has_joined(scene: Scene) -> None:
    ann, guest = scene.server.client("ann"), scene.server.client("guest-1")
    guest.session.identity = Identity("guest-1", "guest-1", is_guest=True)
    scene.server.join(guest)
    assert scene.reading.get_unread(guest.session, commands.GetUnread()) == {
        "total": 1,
        "rooms": {ROOM: 1},
        "mentions": {},
        "totalMentions": 0,
    }
    told = scene.reading.get_unread(ann.session, commands.GetUnread())
    assert told == COUNTS
    assert scene.services.asked == [("ann", {ROOM, "r2"})]
    assert scene.reading.standings(ann.session, [ROOM]) == {ROOM: {"read_seq": 2, "unread": 1}}


def test_a_new_message_is_told_to_connections_outside_the_room(scene: Scene) -> None:
    inside, outside = scene.server.client("bob"), scene.server.client("bob")
    scene.server.join(inside)
    scene.reading.hear("bob", unread_payload(ROOM, 1, 5, is_new=True))
    (told,) = outside.told()
    assert told == {"event": "unread-counts", "data": {"roomId": ROOM, "unread": 1, "total": 5}}
    assert inside.told() == []
    scene.reading.hear("bob", unread_payload(ROOM, 0, 4, is_new=False))
    assert len(inside.told()) == len(outside.told()) == 1


def test_a_request_marks_and_counts(scene: Scene) -> None:
    assert scene.ask(f"rooms/{ROOM}/seen", {"messageId": "x"}) == (200, {"read_seq": 2, "unread": 1})
    assert scene.ask("unread") == (200, COUNTS)
    for body, field in (({}, "messageId"), ({"seq": -1}, "seq"), ({"message_id": 7}, "message_id")):
        status, problem = scene.ask(f"rooms/{ROOM}/seen", body)
        assert (status, problem["field"]) == (400, field)
    assert scene.ask("rooms/b@d/seen", {"seq": 1})[1]["field"] == "roomId"
    scene.user = None
    assert scene.ask("unread")[0] == 401


def test_who_has_seen_a_message_is_told_page_by_page(scene: Scene) -> None:
    status, first = scene.ask(f"messages/{ROOM}.2.abcdefgh/seen")
    assert (status, first["seq"], len(first["seen"]), first["next"]) == (200, 2, 199, "user198")
    _, second = scene.ask(f"rooms/{ROOM}/seen?seq=2&after=user198")
    assert (len(second["seen"]), second["next"]) == (101, None)
    assert second["seen"][0] == {"user_id": "user199", "up_to_seq": 2, "seen_at": "1970-01-01T00:00:00.000Z"}
    assert scene.ask("messages/nonsense/seen")[0] == 400
