"""The worker's side of the outbox on a real server: nothing is taken twice, nothing is forgotten."""

from __future__ import annotations

import pytest
from redis.client import Pipeline

from chat.broker import keys
from chat.broker.base import Confirmation, Retraction
from chat.broker.client import RedisAddress, connect
from chat.broker.outbox import CONFIRM_TOGETHER, Outbox
from chat.errors import BrokerUnavailable
from tests.support.ports import free_port
from tests.support.rooms import LOG_LENGTH, Room


def consumer(room: Room, name: str) -> Outbox:
    """Return the outbox as this consumer sees it."""
    return Outbox(room.client, consumer=name, log_length=LOG_LENGTH)


def test_entries_of_before_are_taken_when_the_group_is_new(room):
    room.accept("t1")
    assert [each.messages[0].temp_id for each in room.take()] == ["t1"]


def test_an_entry_is_taken_once_when_two_consumers_ask(room):
    room.accept("t1")
    assert len(consumer(room, "one").take(10)) == 1
    assert consumer(room, "two").take(10) == []


def test_each_shard_gives_up_to_the_limit_when_more_wait(client):
    rooms = {room.shard: room for n in range(200) if (room := Room(client, f"r{n}"))}
    assert len(rooms) == keys.SHARDS
    for room in rooms.values():
        room.warm()
        for n in range(3):
            room.accept(f"t{n}")
    taken = consumer(room, "one").take(2)
    assert sorted(each.shard for each in taken) == sorted([*range(keys.SHARDS)] * 2)
    assert all(each.shard == keys.shard_of(each.room_id) for each in taken)


def test_the_group_is_made_again_when_redis_lost_it(room):
    room.take()
    room.client.flushall()
    room.warm()
    room.accept("t1")
    assert len(room.take()) == 1


def test_an_entry_is_reclaimed_when_its_consumer_does_nothing(room):
    room.accept("t1", "t2")
    (entry,) = consumer(room, "dead").take(10)
    assert entry.deliveries == 1
    alive = consumer(room, "alive")
    assert alive.reclaim(60_000, 10) == []
    (again,) = alive.reclaim(0, 10)
    assert (again.entry_id, again.messages, again.deliveries) == (entry.entry_id, entry.messages, 2)
    assert alive.reclaim(60_000, 10) == []


def test_nothing_is_reclaimed_when_all_is_settled(room):
    room.accept("t1")
    room.confirm(*room.take())
    assert room.outbox.reclaim(0, 10) == []


def test_a_vanished_entry_is_passed_over_when_it_is_reclaimed(room):
    room.accept("t1")
    room.accept("t2")
    gone, kept = room.take()
    room.client.xdel(room.outbox_key, gone.entry_id)
    assert [each.entry_id for each in room.outbox.reclaim(0, 10)] == [kept.entry_id]


def test_deliveries_are_forgotten_when_entries_are_kept(room):
    room.accept("t1")
    (entry,) = room.take()
    other = consumer(room, "other")
    room.outbox.keep([entry])
    assert other.reclaim(60_000, 10) == []
    room.outbox.keep([entry], idle_ms=60_000)
    (again,) = other.reclaim(60_000, 10)
    assert again.deliveries == 1


def test_an_unreadable_entry_is_buried_when_it_is_taken(room):
    room.client.xadd(room.outbox_key, {"m": "not an entry"})
    room.accept("t1")
    assert [each.messages[0].temp_id for each in room.take()] == ["t1"]
    assert room.client.xlen(room.outbox_key) == 1
    ((_, letter),) = room.client.xrange(room.dead)
    assert (letter[b"m"], letter[b"code"]) == (b"not an entry", b"unreadable")


def test_counters_are_repaired_when_an_operator_deleted_the_outbox(room):
    room.accept("t1", "t2")
    assert room.outbox.repair_counters() == 0
    room.client.delete(room.outbox_key)
    assert room.accept("t3", limit=2)[2:] == ["overloaded"]
    assert room.outbox.repair_counters() == 2
    assert room.accept("t3", limit=2)[2:] == ["accepted 3 3"]


def test_the_wrapper_says_what_was_news_when_it_retracts(room):
    room.accept("t1", "t2", "t3")
    (entry,) = room.take()
    given_up = [
        Retraction(entry, each, "too-large", "larger than the store takes", False, b"{}") for each in entry.messages
    ]
    assert room.outbox.retract(given_up[0])
    assert not room.outbox.retract(given_up[0])
    assert room.outbox.retract_all(given_up) == 2
    assert room.accept("t3")[2] == f"duplicate failed 3 {room.epoch} too-large larger than the store takes"
    assert room.client.xlen(room.outbox_key) == 0


def test_groups_are_kept_when_they_are_ensured_again(room):
    room.accept("t1")
    room.take()
    room.outbox.ensure_groups()
    assert room.take() == []


def test_rooms_are_confirmed_a_few_at_a_time_when_a_batch_is_large(client, monkeypatch):
    rooms = [Room(client, f"r{n}").warm() for n in range(5)]
    for room in rooms:
        room.accept(*(f"t{n}" for n in range(CONFIRM_TOGETHER // 2)))
    worker = Outbox(client, consumer="one", log_length=LOG_LENGTH)
    entries = worker.take(10)
    confirmations = [Confirmation(entry, each, b"{}") for entry in entries for each in entry.messages]
    executed, execute = [], Pipeline.execute

    def counted(self, raise_on_error=True):
        executed.append(len(self))
        return execute(self, raise_on_error)

    monkeypatch.setattr(Pipeline, "execute", counted)
    assert worker.confirm(confirmations[::-1]) == 5 * (CONFIRM_TOGETHER // 2)
    assert executed == [2, 2, 1]
    assert worker.lengths() == [0] * keys.SHARDS


def test_only_idle_consumers_without_entries_are_forgotten_when_asked(room):
    room.accept("t1")
    consumer(room, "holder").take(10)
    consumer(room, "empty").take(10)
    forgetting = room.outbox.forget_idle_consumers
    assert forgetting(60_000) == 0
    assert forgetting(-1) >= 1
    names = [each["name"] for each in room.client.xinfo_consumers(room.outbox_key, keys.GROUP)]
    assert names == [b"holder"]


@pytest.mark.parametrize("step", ["take", "reclaim", "settled", "lengths", "forget"])
def test_broker_unavailable_is_raised_when_redis_is_not_there(step):
    client = connect(RedisAddress(f"redis://127.0.0.1:{free_port()}/0"))
    outbox = Outbox(client, consumer="one", log_length=LOG_LENGTH)
    steps = {
        "take": lambda: outbox.take(1),
        "reclaim": lambda: outbox.reclaim(0, 1),
        "settled": lambda: outbox.settled(0),
        "lengths": outbox.lengths,
        "forget": lambda: outbox.forget_idle_consumers(1),
    }
    with pytest.raises(BrokerUnavailable):
        steps[step]()
