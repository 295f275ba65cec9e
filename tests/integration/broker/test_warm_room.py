"""warm_room.lua and its wrapper on a real server: numbering goes on after all that was ever numbered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from chat.broker.base import Fate, LogRead
from chat.errors import BrokerUnavailable
from tests.support.rooms import Room


def test_numbering_starts_after_the_store_when_redis_is_empty(client):
    room = Room(client)
    position = room.reader.warm(room.room_id, 41, [])
    assert position == LogRead("position", room.epoch, 0, 41)
    assert room.accept("t1")[2:] == ["accepted 42 1"]


def test_the_first_one_stands_when_another_was_first(client):
    room = Room(client).warm(41)
    epoch = room.epoch
    room.accept("t1")
    assert room.reader.warm(room.room_id, 41, []) == LogRead("position", epoch, 1, 42)


def test_all_get_one_epoch_when_many_warm_at_once(client):
    room = Room(client)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: room.reader.warm(room.room_id, 7, []), range(32)))
    assert set(found) == {LogRead("position", room.epoch, 0, 7)}


def test_waiting_numbers_are_not_given_again_when_only_the_head_was_lost(client):
    room = Room(client).warm(10)
    room.accept("t1", "t2")
    room.accept("t3")
    neighbour = next(each for n in range(999) if (each := Room(client, f"r{n}")).shard == room.shard)
    neighbour.warm(500).accept("t1")
    old_epoch = room.epoch
    client.delete(room.head)
    assert room.reader.warm(room.room_id, 10, []).seq == 13
    assert room.epoch != old_epoch
    assert room.accept("t4")[2:] == ["accepted 14 1"]
    assert room.accept("t3")[2:] == [f"duplicate pending 13 {old_epoch}"]


def test_the_old_log_is_gone_when_the_head_was_lost(client):
    room = Room(client).warm()
    room.accept("t1")
    client.delete(room.head)
    room.warm()
    assert client.exists(room.log) == 0
    assert room.reader.read(room.room_id, room.epoch, 0) == LogRead("complete", room.epoch, 0, 1)


def test_numbering_goes_on_and_resends_stay_repeats_when_redis_lost_everything(client):
    room = Room(client).warm()
    room.accept("t1", "t2")
    old_epoch = room.epoch
    room.confirm(room.take()[0])
    client.flushall()
    assert room.accept("t1") == ["cold"]
    room.reader.warm(room.room_id, 2, [("ann", "t1", 1, old_epoch), ("ann", "t2", 2, old_epoch)])
    assert room.accept("t1", "t2", "t3")[2:] == [
        f"duplicate confirmed 1 {old_epoch}",
        f"duplicate confirmed 2 {old_epoch}",
        "accepted 3 1",
    ]
    assert 86_000 < client.ttl(room.dedupe("t1")) <= 86_400
    assert room.reader.fates(room.room_id, [("ann", "t2")]) == [Fate("confirmed", 2, old_epoch)]


def test_a_waiting_message_stays_pending_when_the_warmer_names_its_temp_id(client):
    room = Room(client).warm()
    room.accept("t1")
    epoch = room.epoch
    room.reader.warm(room.room_id, 1, [("ann", "t1", 1, epoch)])
    assert room.accept("t1")[2:] == [f"duplicate pending 1 {epoch}"]


def test_the_head_lives_a_week_when_it_is_warmed(client):
    room = Room(client).warm()
    assert 604_000 < client.ttl(room.head) <= 604_800


@pytest.mark.parametrize("broken", ["head", "outbox_key"])
def test_nothing_is_half_done_when_a_key_has_a_wrong_type(client: redis.Redis, broken):
    room = Room(client)
    client.set(getattr(room, broken), "not yours")
    before = room.contents()
    with pytest.raises(BrokerUnavailable):
        room.warm()
    assert room.contents() == before
