"""Who is cut off gets nothing more, and whoever asked for it is answered when every server has seen to that."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from chat.broker import keys
from chat.broker.base import Appended
from chat.errors import BrokerUnavailable, NotAMember
from chat.gateway import cut_offs
from chat.gateway.cut_offs import CutOffs
from chat.model.publication import MembersChange
from tests.support.greenlets import turn, turn_until
from tests.support.local_server import ROOM, Server, serving

FRAME = b'{"event":"room-updated","data":{"offset":9}}'


class Memory:
    """The part of Membership that is told."""

    def __init__(self) -> None:
        self.forgotten: list[Any] = []
        self.trusted_until = 0.0

    def forget(self, room_id: str, whom: str) -> None:
        self.forgotten.append((room_id, whom))

    def forget_all(self) -> None:
        self.forgotten.append("all")


class Node:
    """One server, with the acknowledgements it published."""

    def __init__(self, server: Server) -> None:
        self.server, self.memory, self.sending, self.asked = server, Memory(), False, 0
        self.published: list[tuple[str, bytes]] = []
        self.live = {"here"}
        self.cut_offs = CutOffs(
            "here",
            server.hub,
            self.memory,  # type: ignore[arg-type]
            self.is_sending,
            lambda channel, payload: self.published.append((channel, payload)),
            lambda: self.live,
            lambda: 77.0,
        )

    def is_sending(self, _room_id: str, _whom: str) -> bool:
        self.asked += 1
        return self.sending

    def hear(self, cut: str = "-", users: tuple[str, ...] = (), asked_by: str = "-", token: str = "t0k") -> None:
        change = MembersChange(ROOM, cut, token, asked_by, list(users), FRAME)
        self.cut_offs.hear(change.header() + change.frame)
        turn()


@pytest.fixture
def node() -> Iterator[Node]:
    with serving() as server:
        yield Node(server)


def events(client) -> list[str]:
    return [each["event"] for each in client.told()]


def test_a_users_connections_leave_the_room_with_a_last_word_when_he_is_cut_off(node):
    bob, phone, ann = (node.server.client(each) for each in ("bob", "bob", "ann"))
    for each in (bob, ann):
        node.server.join(each)
    node.server.act(["accept", "hear"])
    node.hear("bob", ("bob",))
    node.server.act(["accept", "hear", "turn"])
    assert events(bob) == ["new-chat-message", "room-updated"]
    assert events(phone) == ["room-updated"]  # was not in the room
    assert events(ann) == ["new-chat-message", "new-chat-message"]  # hears of it through the room
    assert bob.session.rooms == set()
    assert node.memory.forgotten == [(ROOM, "bob")]


def test_everybody_leaves_when_the_room_is_deleted(node):
    clients = [node.server.client(each) for each in ("ann", "bob")]
    for each in clients:
        node.server.join(each)
    node.hear("*", ("ann", "bob", "cy"))
    assert [events(each) for each in clients] == [["room-updated"]] * 2
    assert node.server.hub.rooms[ROOM].is_empty
    assert node.memory.forgotten == [(ROOM, "*")]


def test_those_concerned_are_told_when_nobody_is_cut_off(node):
    ann, bob = node.server.client("ann"), node.server.client("bob")
    node.server.join(ann)
    node.hear("-", ("ann", "bob", "nobody-here"))
    assert (events(ann), events(bob)) == ([], ["room-updated"])
    assert node.memory.forgotten == []


def test_it_is_acknowledged_after_the_users_messages_came_to_their_end(node):
    node.sending = True
    node.hear("bob", asked_by="there")
    turn_until(lambda: node.asked > 2)
    assert node.published == []
    node.sending = False
    turn_until(lambda: node.published)
    assert node.published == [(keys.node_channel("there"), b"obeyed t0k here")]


def test_nothing_is_acknowledged_when_nobody_waits(node):
    node.hear("bob")
    node.hear("bob", asked_by="there", token="next")
    turn_until(lambda: node.published)
    turn()
    assert node.published == [(keys.node_channel("there"), b"obeyed next here")]


@pytest.mark.parametrize("payload", [b"", b"nonsense", b"changed a b", b"\xff\xfe"])
def test_nothing_happens_when_a_message_is_of_another_kind(node, payload):
    node.cut_offs.hear(payload)
    node.cut_offs.hear_own(payload)
    assert node.memory.forgotten == []


def waited_s(node, appended, *answers) -> float:
    start = time.monotonic()
    waiting = gevent.spawn(node.cut_offs.wait, appended)
    for each in answers:
        turn()
        assert not waiting.ready()
        node.cut_offs.hear_own(each)
    waiting.get(timeout=5)
    return time.monotonic() - start


def test_the_answer_waits_for_every_server_when_several_live(node):
    node.live = {"here", "there"}
    took_s = waited_s(node, Appended("e", 1, 2, "t0k"), b"obeyed t0k here", b"", b"obeyed t0k there")
    assert took_s < cut_offs.UNLISTED_WAIT_S


def test_the_answer_comes_when_it_was_obeyed_before_anybody_waited(node):
    for each in (b"obeyed t0k here", b"obeyed other there"):
        node.cut_offs.hear_own(each)
    assert waited_s(node, Appended("e", 1, 1, "t0k")) < cut_offs.UNLISTED_WAIT_S


def test_a_server_that_is_not_listed_gets_a_little_time_when_it_heard(node, monkeypatch):
    monkeypatch.setattr(cut_offs, "UNLISTED_WAIT_S", 0.05)
    node.cut_offs.hear_own(b"obeyed t0k here")
    assert waited_s(node, Appended("e", 1, 2, "t0k")) >= 0.05


def test_a_server_that_does_not_answer_is_not_waited_for_longer_than_its_lease(node, monkeypatch, caplog):
    monkeypatch.setattr(cut_offs, "WAIT_S", 0.05)
    node.live = {"here", "frozen"}
    node.cut_offs.hear_own(b"obeyed t0k here")
    assert waited_s(node, Appended("e", 1, 2, "t0k")) >= 0.05
    assert "cut-off-not-acknowledged" in caplog.text


def test_a_join_is_refused_when_its_user_was_cut_off_after_the_check(node):
    before = time.monotonic()
    node.hear("bob")
    for room_id, user_id, checked_at in (
        (ROOM, "bob", time.monotonic()),
        (ROOM, "ann", before),
        ("x", "bob", before),
    ):
        node.cut_offs.require_still_in(room_id, user_id, checked_at)
    with pytest.raises(NotAMember):
        node.cut_offs.require_still_in(ROOM, "bob", before)
    node.hear("*")
    with pytest.raises(NotAMember):
        node.cut_offs.require_still_in(ROOM, "ann", before)


def test_nothing_in_memory_is_believed_when_the_link_was_lost(node):
    before = time.monotonic()
    node.cut_offs.renew_trust()
    assert node.memory.trusted_until == 77.0
    node.cut_offs.connection_lost()
    assert (node.memory.forgotten, node.memory.trusted_until) == (["all"], 0.0)
    with pytest.raises(BrokerUnavailable):
        node.cut_offs.require_still_in(ROOM, "ann", before)
    node.cut_offs.require_still_in(ROOM, "ann", time.monotonic())


def test_old_cut_offs_are_forgotten_when_no_join_can_be_so_old(node, monkeypatch):
    monkeypatch.setattr(cut_offs, "REMEMBER_S", 0.0)
    for user_id in ("bob", "cy", "dan"):
        node.hear(user_id)
    assert len(node.cut_offs._recent) == 1
