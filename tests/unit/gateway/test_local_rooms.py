from __future__ import annotations

import time
from collections.abc import Callable

import gevent
import pytest
from gevent.event import Event

from chat.broker import keys
from chat.broker.base import LogRead
from chat.errors import BrokerUnavailable, StoreUnavailable
from chat.gateway import rooms as local_rooms
from chat.hub import Room
from tests.support.drafts import draft
from tests.support.greenlets import turn, turn_until
from tests.support.local_server import ROOM, Server, offsets, serving

CHANNEL = keys.room_channel(ROOM)
DEADLINE_S = 5


def settled(server: Server) -> None:
    """Let syncs run to their end."""
    turn_until(lambda: not any(room.is_syncing for room in server.hub.rooms.values()))
    server.hub.flush()


def joined(server: Server) -> tuple[Room, Callable[[], list[int]]]:
    client = server.client("joe")
    server.join(client)
    heard: list[int] = []

    def all_heard() -> list[int]:
        heard.extend(offsets(client.told()))
        return heard

    return server.hub.rooms[ROOM], all_heard


def test_a_room_is_subscribed_before_its_position_is_read_when_it_is_opened():
    with serving() as server:
        order: list[str] = []
        server.broker.before_read = lambda: order.extend(server.relay.handlers)
        room = server.rooms.open(ROOM)
        assert order == [CHANNEL]
        assert (room.epoch, room.offset, room.is_ready, room.is_syncing) == (server.epoch, 0, True, False)
        assert server.rooms.open(ROOM) is room


def test_nothing_is_missed_when_events_come_while_a_room_is_opened():
    with serving() as server:
        server.broker.before_read = lambda: server.act(["accept", "hear"])
        server.broker.after_read = lambda: server.act(["accept", "hear"])
        room = server.rooms.open(ROOM)
        assert (room.offset, room.last_seq) == (2, 2)
        assert room.held == []


def test_a_room_is_opened_once_when_many_open_it_at_once():
    with serving() as server:
        reads: list[str] = []
        gate = Event()

        def slow() -> None:
            reads.append(ROOM)
            gate.wait()

        server.broker.before_read = slow
        jobs = [gevent.spawn(server.rooms.open, ROOM) for _ in range(10)]
        turn()
        assert not any(job.ready() for job in jobs)
        gate.set()
        gevent.joinall(jobs, timeout=DEADLINE_S, raise_error=True)
        assert len({id(job.value) for job in jobs}) == 1
        assert len(reads) == 1


@pytest.mark.parametrize("where", ["listen", "locate"])
def test_no_trace_is_left_and_the_next_one_may_try_when_a_room_cannot_be_opened(where):
    with serving() as server:
        if where == "listen":
            server.relay.fault = BrokerUnavailable("subscribe")
        else:
            server.broker.fault = StoreUnavailable("get")
        with pytest.raises((BrokerUnavailable, StoreUnavailable)):
            server.rooms.open(ROOM)
        assert server.hub.rooms == {}
        assert server.relay.handlers == {}
        server.relay.fault = server.broker.fault = None
        assert server.rooms.open(ROOM).is_ready


def test_what_was_lost_is_read_from_the_log_when_a_publication_leaves_a_gap():
    with serving() as server:
        room, heard = joined(server)
        server.act(["accept", "accept", "accept"])
        del server.broker.published[:2]
        server.hear()
        assert room.is_syncing
        server.act(["accept", "hear", "confirm", "hear"])
        settled(server)
        assert heard() == [1, 2, 3, 4]
        assert server.syncs == 1


def test_confirmations_are_not_lost_when_they_come_while_a_room_is_behind():
    with serving() as server:
        room, _ = joined(server)
        server.act(["accept", "accept", "confirm", "confirm"])
        del server.broker.published[0]
        while server.broker.published:
            server.hear()
        settled(server)
        assert len(server.hub.unconfirmed) == 0
        assert room.held == []


def test_missed_events_are_read_when_the_connection_was_lost():
    with serving() as server:
        _, heard = joined(server)
        server.rooms.connection_lost()
        server.act(["accept", "accept"])
        server.broker.published.clear()
        server.rooms.subscribed_again(CHANNEL)
        settled(server)
        assert heard() == [1, 2]
        assert not server.unresumable


def test_reading_is_tried_again_when_redis_is_away(monkeypatch):
    monkeypatch.setattr(local_rooms, "RETRY_PAUSE_S", 0.01)
    with serving() as server:
        room, heard = joined(server)
        server.act(["accept"])
        server.broker.published.clear()
        server.rooms.connection_lost()
        server.broker.fault = BrokerUnavailable("read log")
        server.rooms.subscribed_again(CHANNEL)
        turn()
        assert room.is_syncing
        server.broker.fault = None
        settled(server)
        assert heard() == [1]


def new_epoch(server: Server) -> None:
    """Let Redis lose everything, and another server warm the room."""
    server.broker.lose_everything()
    server.broker.published.clear()
    server.broker.warm(ROOM, server.sent, [])


def test_the_new_epoch_follows_on_when_redis_lost_the_room_and_nothing_passed_unseen():
    with serving() as server:
        room, heard = joined(server)
        server.act(["accept", "hear"])
        new_epoch(server)
        server.act(["accept", "accept"])
        del server.broker.published[0]
        server.hear()
        settled(server)
        assert heard() == [1, 1, 2]
        assert (room.epoch, room.offset, room.last_seq) == (server.broker.heads[ROOM].epoch, 2, 3)
        assert not server.unresumable


def test_members_have_to_come_back_when_redis_lost_the_room_while_the_connection_was_lost():
    with serving() as server:
        room, heard = joined(server)
        server.act(["accept", "hear"])
        server.rooms.connection_lost()
        new_epoch(server)
        server.act(["accept"])
        server.rooms.subscribed_again(CHANNEL)
        settled(server)
        assert server.unresumable == [room]
        assert heard() == [1]
        assert (room.epoch, room.offset) == (server.broker.heads[ROOM].epoch, 1)


def test_members_have_to_come_back_when_the_log_was_trimmed():
    with serving() as server:
        room, _ = joined(server)
        server.broker.log_length = 2
        server.act(["accept"] * 5)
        del server.broker.published[:-1]
        server.hear()
        settled(server)
        assert server.unresumable == [room]
        assert room.offset == 5


def test_the_room_goes_on_when_redis_knows_nothing_of_it():
    with serving() as server:
        room, _ = joined(server)
        server.rooms.connection_lost()
        server.broker.lose_everything()
        server.rooms.subscribed_again(CHANNEL)
        settled(server)
        assert not server.unresumable
        assert room.epoch == server.epoch


@pytest.mark.parametrize("is_warm", [True, False])
def test_one_sync_is_enough_when_a_held_publication_is_of_a_log_that_is_gone(is_warm):
    with serving() as server:
        room, heard = joined(server)
        server.act(["accept", "accept"])
        del server.broker.published[0]
        server.hear()  # a gap, held; its log is lost before the missing one is read
        if is_warm:
            new_epoch(server)
        else:
            server.broker.lose_everything()
        settled(server)
        for _ in range(20):
            turn()
        assert server.syncs == 1
        assert (room.is_syncing, room.held) == (False, [])
        if is_warm:
            server.act(["accept", "hear", "turn"])
            assert heard() == [1]


def test_a_room_is_caught_up_when_a_look_at_positions_finds_it_behind():
    with serving() as server:
        room, heard = joined(server)
        server.act(["accept"])
        server.broker.published.clear()
        server.rooms._check([room])
        settled(server)
        assert heard() == [1]
        server.rooms._check([room])
        assert not room.is_syncing


def test_nothing_happens_when_positions_cannot_be_had():
    with serving() as server:
        room, _ = joined(server)
        server.broker.fault = BrokerUnavailable("read positions")
        server.rooms._check([room])
        assert not room.is_syncing


def test_a_room_is_followed_for_a_while_and_then_left_when_everybody_is_gone(monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with serving() as server:
        client = server.client("joe")
        server.join(client)
        room = server.hub.rooms[ROOM]
        server.joining.leave(client.session, room)
        server.rooms.close_empty()
        clock[0] += local_rooms.KEEP_EMPTY_S - 1
        server.rooms.close_empty()
        assert server.hub.rooms == {ROOM: room}
        server.join(client)
        clock[0] += 100
        server.rooms.close_empty()
        assert server.hub.rooms == {ROOM: room}
        server.joining.leave(client.session, room)
        server.rooms.close_empty()
        clock[0] += local_rooms.KEEP_EMPTY_S + 1
        server.rooms.close_empty()
        assert server.hub.rooms == {}
        assert server.relay.handlers == {}


def test_a_users_channel_is_left_when_the_user_has_gone():
    with serving() as server:
        client = server.client("joe")
        server.relay.listen(keys.user_channel("joe"), lambda _: None)
        server.rooms.close_empty()
        assert "joe" in server.hub.users
        server.hub.remove_user(client.session)
        server.rooms.close_empty()
        assert server.hub.users == {}
        assert server.relay.handlers == {}


def test_latencies_are_noted_when_messages_are_shown_and_confirmed():
    with serving() as server:
        joined(server)
        server.broker.accept(draft("t1"))
        server.act(["hear", "confirm", "hear"])
        assert server.rooms.shown_latency.percentiles()["p50"] is not None
        assert server.rooms.confirmed_latency.percentiles()["p50"] is not None


def test_a_room_is_not_touched_when_another_channel_is_subscribed_again():
    with serving() as server:
        room, _ = joined(server)
        server.rooms.subscribed_again(keys.user_channel(ROOM))
        server.rooms.subscribed_again(keys.room_channel("other"))
        assert not room.is_syncing


def test_a_position_is_found_by_warming_when_redis_had_none():
    with serving() as server:
        server.broker.lose_everything()
        warmed: list[str] = []

        def locate(room_id: str) -> LogRead:
            warmed.append(room_id)
            return server.broker.warm(room_id, 7, [])

        server.rooms._locate = locate
        assert (server.rooms.open(ROOM).last_seq, warmed) == (7, [ROOM])


def test_who_was_cut_off_meanwhile_gets_nothing_of_what_was_missed_when_the_connection_comes_back():
    with serving() as server:
        bob, ann = server.client("bob"), server.client("ann")
        for each in (bob, ann):
            server.join(each)
        server.rooms.connection_lost()
        server.act(["accept"])
        server.change(cut="bob")
        server.act(["accept"])
        server.broker.published.clear()
        server.rooms.subscribed_again(CHANNEL)
        settled(server)
        assert offsets(bob.told()) == [2]  # his removal, as the last thing
        assert offsets(ann.told()) == [1, 2, 3]
        assert ROOM not in bob.session.rooms
