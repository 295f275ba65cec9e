"""A server process tells of its connections without waiting for Redis, and hears of everybody else's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from chat.broker import keys
from chat.gateway import presence as presence_module
from chat.gateway.presence import LivePresence
from chat.model.presence import STRANGER, StatusChange, write_changes
from chat.protocol import commands
from tests.support.greenlets import turn, turn_until
from tests.support.local_client import LocalClient
from tests.support.local_server import ROOM, Server, serving
from tests.support.memory_relay import MemoryRelay
from tests.support.presence import SEEN, MemoryBoard, live_presence


class Process:
    """A server with presence, and clients in its one room."""

    def __init__(self, server: Server) -> None:
        self.server, self.board, self.relay = server, MemoryBoard(), MemoryRelay()
        self.presence: LivePresence = live_presence(server.hub, self.board, limit=3)
        self.presence.start(self.relay)
        self.board.publish = lambda changes: self.relay.hear(keys.PRESENCE_CHANNEL, write_changes(changes))

    def client(self, user_id: str) -> LocalClient:
        client = self.server.client(user_id)
        self.presence.connected(client.session)
        self.server.join(client)
        client.told()
        return client

    def join(self, client: LocalClient) -> dict[str, Any]:
        return self.presence.joined(client.session, [ROOM])[ROOM]

    def close(self, client: LocalClient) -> None:
        self.server.hub.remove_user(client.session)
        self.server.hub.rooms[ROOM].remove(client.session)
        self.presence.closed(client.session)

    def publish(self, kind: Any, user_id: str) -> None:
        self.board.clock += 1
        change = StatusChange(kind, user_id, self.board.clock, SEEN, user_id.title(), [ROOM])
        self.relay.hear(keys.PRESENCE_CHANNEL, write_changes([change]))

    def settle(self) -> None:
        """Let the greenlet do all that is due."""
        turn_until(lambda: self.presence._presence.due_in_s(0) != 0)
        turn()


@pytest.fixture
def process(monkeypatch) -> Iterator[Process]:
    monkeypatch.setattr(presence_module, "RETRY_PAUSE_S", 0.01)
    with serving() as server:
        process = Process(server)
        turn()
        yield process
        process.presence.leave(1)


def test_a_join_tells_who_is_online_when_others_are_there(process):
    ann = process.client("ann")
    process.join(ann)
    process.settle()
    bob = process.client("bob")
    told = process.join(bob)
    process.settle()
    assert set(told["online"]) == {"ann", "bob"}
    assert told["online_names"] == {"ann": "Ann", "bob": "Bob"}
    assert told["online_count"] == 2
    assert [each["data"]["userId"] for each in ann.told()] == ["bob"]
    assert bob.told() == []


def test_redis_is_not_asked_when_the_room_is_known(process):
    process.join(process.client("ann"))
    process.settle()
    reads = []
    process.board.rooms_online = lambda *asked: reads.append(asked)
    process.join(process.client("ann"))
    assert reads == []


def test_many_joins_read_the_room_once_when_they_come_together(process):
    clients = [process.client(f"u{number}") for number in range(50)]
    read = process.board.rooms_online
    reads = []

    def counted(*asked):
        reads.append(asked)
        return read(*asked)

    process.board.rooms_online = counted
    gevent.joinall([gevent.spawn(process.join, each) for each in clients], timeout=5)
    assert len(reads) == 1


def test_a_list_is_bounded_when_many_are_online(process):
    for name in ("ann", "bob", "cleo", "dan"):
        process.join(process.client(name))
    process.settle()
    process.presence._statuses.expire()
    told = process.join(process.client("eve"))
    assert (len(told["online"]), told["online_count"]) == (3, 4)


def test_a_join_is_answered_and_told_later_when_redis_is_away(process):
    process.board.is_down = True
    ann = process.client("ann")
    assert process.join(ann)["online"] == ["ann"]
    process.board.is_down = False
    process.settle()
    assert process.board.rooms == {"ann": {ROOM}}


def test_only_the_last_connection_in_a_room_leaves_it(process):
    phone, laptop = process.client("ann"), process.client("ann")
    process.join(phone)
    process.join(laptop)
    process.settle()
    process.server.joining.leave(phone.session, process.server.hub.rooms[ROOM])
    process.presence.left(phone.session, ROOM)
    process.settle()
    assert process.board.rooms == {"ann": {ROOM}}
    process.server.joining.leave(laptop.session, process.server.hub.rooms[ROOM])
    process.presence.left(laptop.session, ROOM)
    process.settle()
    assert process.board.rooms == {"ann": set()}


def test_a_user_who_is_here_is_told_again_when_another_server_says_offline(process):
    process.join(process.client("ann"))
    process.settle()
    process.board.rooms.clear()
    process.publish("offline", "ann")
    process.settle()
    assert process.board.rooms == {"ann": {ROOM}}


def test_what_was_missed_is_told_when_redis_was_away(process, monkeypatch):
    monkeypatch.setattr(presence_module, "COMPARE_AFTER_S", 0)
    ann = process.client("ann")
    process.join(ann)
    process.settle()
    process.publish("online", "cleo")
    ann.told()
    process.board.rooms["bob"], process.board.names["bob"] = {ROOM}, "Bob"
    process.presence.heard_again("another channel")
    process.presence.heard_again(keys.PRESENCE_CHANNEL)
    process.settle()
    told = {each["data"]["userId"]: each["data"]["isOnline"] for each in ann.told()}
    assert told == {"bob": True, "cleo": False}


def test_leases_are_left_to_end_when_the_server_leaves(process):
    ann = process.client("ann")
    process.join(ann)
    process.settle()
    process.presence.leave(10)
    process.close(ann)
    turn()
    assert process.board.shortened == [(["ann"], 10)]
    assert "ann" in process.board.rooms


def test_leaving_goes_on_when_redis_is_away(process):
    process.board.is_down = True
    process.presence.leave(10)
    assert process.board.shortened == []


def test_the_greenlet_lives_on_when_a_step_is_surprised(process, caplog):
    decide = process.board.decide
    process.board.decide = lambda batch: 1 / 0
    process.join(process.client("ann"))
    turn()
    assert "presence-step-failed" in caplog.text
    process.board.decide = decide
    process.join(process.client("bob"))
    process.settle()
    assert "bob" in process.board.rooms


def test_a_heartbeat_renews_a_lease(process):
    ann = process.client("ann")
    process.join(ann)
    process.settle()
    before = process.presence._presence.due_in_s(time.monotonic())
    process.presence.beat(ann.session)
    at_s = process.presence._presence.due_in_s(time.monotonic())
    assert at_s < before / 2
    process.presence._presence.step(time.monotonic() + at_s)
    assert [each.user_id for each in process.board.batches[-1].renewals] == ["ann"]


def test_strangers_are_offline_when_one_asks(process):
    assert process.presence.look("ann", (), ["zoe"]) == {"users": {"zoe": {"isOnline": False, "lastSeen": None}}}


def ask(process: Process, client: LocalClient, *user_ids: str) -> Any:
    """Ask as the dispatcher does when nobody has to be asked; None where somebody has."""
    command = commands.GetPresence(commands.GetPresenceData(userIds=list(user_ids)), ack=1)
    if not process.presence.look_at_once(client.session, command):
        return None
    (ack,) = client.told()
    return ack["data"]["result"]["users"]


def test_who_is_in_a_joined_room_is_known_at_once_until_they_go(process):
    ann, bob = process.client("ann"), process.client("bob")
    for client in (ann, bob):
        process.join(client)
    process.settle()
    ann.told()
    told = ask(process, ann, "bob", "ann", "bob")
    assert {user_id: each["isOnline"] for user_id, each in told.items()} == {"ann": True, "bob": True}
    assert told["bob"]["lastSeen"].endswith("Z")
    assert ask(process, ann, "bob", "zoe") is None
    process.publish("offline", "bob")
    ann.told()
    assert ask(process, ann, "bob") is None
    ann.session.rooms.discard(ROOM)
    assert ask(process, ann, "ann") is None


def test_only_those_who_are_not_known_are_asked_for(process):
    ann, bob = process.client("ann"), process.client("bob")
    for client in (ann, bob):
        process.join(client)
    process.settle()
    asked = []

    def look(_user, _rooms, users):
        asked.append(users)
        return dict.fromkeys(users, STRANGER)

    process.presence._look = look
    told = process.presence.look("ann", [ROOM], ["zoe", "bob"])["users"]
    assert asked == [["zoe"]]
    assert [(user_id, each["isOnline"]) for user_id, each in told.items()] == [("zoe", False), ("bob", True)]


def test_an_old_attendance_is_read_again_for_the_next_who_asks(process):
    ann, bob = process.client("ann"), process.client("bob")
    for client in (ann, bob):
        process.join(client)
    process.settle()
    process.presence._statuses.expire()
    ann.told()
    assert ask(process, ann, "bob") is None
    process.presence.look("ann", [ROOM], ["bob"])
    turn_until(lambda: process.presence._statuses.fresh(ROOM))
    ann.told()
    assert ask(process, ann, "bob")["bob"]["isOnline"]
