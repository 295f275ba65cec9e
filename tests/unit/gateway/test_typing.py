"""Typing at a server: once a second at most, its end at once, and never to oneself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chat.broker import keys
from chat.broker.typing import TypingChange
from chat.errors import BrokerUnavailable, NotAMember
from chat.gateway import typing as typing_module
from chat.gateway.typing import EVERY_S, Typing
from chat.hub.typing import TYPING_S
from chat.model.publication import typing_payload
from chat.protocol import commands
from tests.support.drafts import draft
from tests.support.local_server import ROOM, serving


class Members:
    """Ann and Bob are members; `known` are those whom this process has in mind."""

    def __init__(self) -> None:
        self.known = {"ann", "bob"}

    def is_known(self, room_id: str, user_id: str) -> bool:
        return user_id in self.known

    def require(self, room_id: str, user_id: str, *, is_guest: bool = False) -> None:
        if user_id not in ("ann", "bob"):
            raise NotAMember("no", field="roomId")


class Scene:
    """A server on which ann and bob are in a room, and a clock of its own."""

    def __init__(self, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server, self.now, self.told = server, 100.0, list[tuple[str, bool]]()
        self.members = Members()
        members: Any = self.members
        self.typing = Typing(server.hub, members, self._tell)
        self.fault: Exception | None = None
        monkeypatch.setattr(typing_module, "monotonic", lambda: self.now)
        monkeypatch.setattr("chat.hub.hub.monotonic", lambda: self.now)
        self.ann, self.bob = server.client("ann"), server.client("bob")
        for each in (self.ann, self.bob):
            server.join(each)

    def types(self, is_on: bool = True, client: Any = None, after_s: float = 0) -> None:
        self.now += after_s
        command = commands.Typing(commands.TypingData(roomId=ROOM, isTyping=is_on))
        assert self.typing.act((client or self.ann).session, command)
        self.typing.flush()

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.typing.tick(self.now)
        self.typing.flush()

    def heard(self, client: Any) -> list[bool]:
        return [each["data"]["isTyping"] for each in client.told() if each["event"] == "chat-user-typing"]

    def _tell(self, changes: Any) -> None:
        """Be Redis: hand what is published back to the room."""
        if self.fault is not None:
            raise self.fault
        change: TypingChange
        for change in changes:
            self.told.append((change.user_id, change.is_typing))
            payload = typing_payload(change.user_id, change.frame, is_on=change.is_typing, node_id="here")
            self.server.relay.hear(keys.room_channel(change.room_id), payload)


@pytest.fixture
def scene(monkeypatch) -> Iterator[Scene]:
    with serving() as server:
        yield Scene(server, monkeypatch)


def test_the_others_are_told_and_not_oneself_when_one_types(scene):
    again = scene.server.client("ann")
    scene.server.join(again)
    scene.types()
    (told,) = scene.bob.told()
    assert told["event"] == "chat-user-typing"
    assert told["data"] | {"timestamp": ""} == {
        "userId": "ann", "userName": "Ann", "roomId": ROOM, "isTyping": True, "timestamp": "",
    }  # fmt: skip
    assert scene.ann.told() == again.told() == []


def test_those_on_the_same_server_hear_it_once_and_before_redis_has_it(scene):
    command = commands.Typing(commands.TypingData(roomId=ROOM, isTyping=True))
    assert scene.typing.act(scene.ann.session, command)
    assert (scene.heard(scene.bob), scene.told) == ([True], [])
    scene.typing.flush()
    assert (scene.heard(scene.bob), scene.told) == ([], [("ann", True)])


def test_what_redis_brings_back_late_types_for_nobody_when_it_has_ended_here(scene):
    scene.types()
    scene.types(False)
    payload = typing_payload("ann", b'{"event":"chat-user-typing","data":{"isTyping":true}}', node_id="here")
    scene.server.relay.hear(keys.room_channel(ROOM), payload)
    assert scene.heard(scene.bob) == [True, False]


def test_those_on_other_servers_hear_it_through_redis(scene):
    payload = typing_payload("zoe", b'{"event":"chat-user-typing","data":{"isTyping":true}}', node_id="there")
    scene.server.relay.hear(keys.room_channel(ROOM), payload)
    assert scene.heard(scene.bob) == [True]


def test_it_is_told_once_a_second_when_every_key_is_reported(scene):
    for _ in range(30):
        scene.types(after_s=0.1)
    assert scene.told == [("ann", True)] * 3


def test_its_end_is_told_at_once_and_only_once(scene):
    scene.types()
    scene.types(False)
    scene.types(False)
    assert scene.told == [("ann", True), ("ann", False)]
    assert scene.heard(scene.bob) == [True, False]


def test_nothing_is_told_when_somebody_stops_who_did_not_type(scene):
    scene.types(False)
    assert scene.told == []


def test_typing_anew_is_told_when_its_second_is_over(scene):
    scene.types()
    scene.types(False, after_s=0.1)
    scene.types(after_s=0.1)
    assert scene.told == [("ann", True), ("ann", False)]
    scene.passes(EVERY_S)
    assert scene.told[2:] == [("ann", True)]


def test_it_ends_by_itself_when_nothing_renews_it(scene):
    scene.types()
    scene.passes(TYPING_S - 0.1)
    assert scene.heard(scene.bob) == [True]
    scene.passes(0.2)
    assert scene.heard(scene.bob) == [False]
    assert scene.told == [("ann", True)]
    assert scene.typing._typing == {}
    assert scene.typing._rooms == {}


def test_a_message_ends_it(scene):
    scene.types()
    scene.server.broker.accept(draft("t1"))
    scene.server.hear()
    scene.server.hub.flush()
    told = [each["event"] for each in scene.bob.told()]
    assert told == ["chat-user-typing", "new-chat-message", "chat-user-typing"]
    scene.typing.stop(scene.ann.session, ROOM)
    scene.typing.flush()
    assert scene.heard(scene.bob) == []
    assert scene.told == [("ann", True), ("ann", False)]


def test_it_ends_when_the_connection_is_gone(scene):
    scene.types()
    scene.typing.gone(scene.ann.session)
    scene.typing.flush()
    assert scene.heard(scene.bob) == [True, False]
    assert scene.typing._rooms == {}


def test_it_goes_on_when_another_connection_of_the_user_types(scene):
    again = scene.server.client("ann")
    scene.types()
    scene.types(client=again, after_s=0.1)
    scene.typing.gone(scene.ann.session)
    scene.typing.flush()
    assert scene.told == [("ann", True)]


def test_a_stranger_types_nowhere(scene):
    eve = scene.server.client("eve")
    command = commands.Typing(commands.TypingData(roomId=ROOM, isTyping=True))
    assert not scene.typing.act(eve.session, command)
    with pytest.raises(NotAMember):
        scene.typing.act_slowly(eve.session, command)
    assert scene.told == []


def test_nobody_waits_when_redis_does_not_answer(scene):
    scene.fault = BrokerUnavailable("tell typing")
    scene.types()
    assert scene.heard(scene.bob) == [True]
    scene.fault = None
    scene.types(after_s=EVERY_S)
    assert scene.told == [("ann", True)]
