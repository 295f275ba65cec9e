"""confirm_messages.lua on a real server: a message is confirmed once, whoever repeats it."""

from __future__ import annotations

import pytest
import redis

from chat.broker import keys
from chat.broker.base import Confirmation, OutboxEntry
from chat.errors import BrokerUnavailable
from tests.support.rooms import Ears, Room
from tests.support.valkey import ValkeyProcess


@pytest.fixture
def entry(room):
    room.accept("t1", "t2", "t3")
    (entry,) = room.take()
    return entry


def confirmations(entry: OutboxEntry) -> list[Confirmation]:
    """Return confirmations of all its messages, with `<SEQ>` as frames."""
    return [Confirmation(entry, each, f"<{each.seq}>".encode()) for each in entry.messages]


def is_left(room: Room) -> bool:
    """Tell whether anything of the outbox is left: an entry, a pending one, a mark."""
    pending = room.client.xpending(room.outbox_key, keys.GROUP)["pending"]
    return bool(room.client.xlen(room.outbox_key) or pending or room.client.exists(room.partial))


def test_nothing_is_left_when_all_are_confirmed(room, entry):
    assert room.confirm(entry) == 3
    assert not is_left(room)
    assert room.client.hgetall(room.stats) == {b"accepted": b"3", b"confirmed": b"3"}


def test_room_and_sender_are_told_once_when_all_are_confirmed(room: Room, ears: Ears):
    room.accept("t1", "t2", sender="ann")
    room.accept("t1", sender="bob")
    ears.heard()
    first, second = room.take()
    room.outbox.confirm(confirmations(first) + confirmations(second))
    assert ears.heard() == [
        (keys.room_channel("room456"), f"confirmed {room.epoch} 1:ann 2:ann 3:bob".encode()),
        (keys.user_channel("ann"), f"confirmed {room.epoch} room456 1 2\n<1>\n<2>".encode()),
        (keys.user_channel("bob"), f"confirmed {room.epoch} room456 3\n<3>".encode()),
    ]


def test_nobody_is_told_again_when_a_confirm_is_repeated(room, entry, ears):
    room.confirm(entry)
    ears.heard()
    before = room.contents()
    assert room.confirm(entry) == 0
    assert ears.heard() == []
    assert room.contents() == before


def test_the_entry_stays_when_only_some_are_confirmed(room, entry, ears):
    assert room.confirm(entry, 1, 3) == 2
    assert room.client.hkeys(room.partial) == [
        f"{entry.entry_id}:1".encode(),
        f"{entry.entry_id}:3".encode(),
    ]
    assert room.outbox.settled(room.shard) == {f"{entry.entry_id}:1", f"{entry.entry_id}:3"}
    assert room.client.xlen(room.outbox_key) == 1
    assert ears.heard()[0][1] == f"confirmed {room.epoch} 1:ann 3:ann".encode()


def test_nothing_is_left_when_the_rest_is_confirmed(room, entry, ears):
    room.confirm(entry, 1, 3)
    ears.heard()
    assert room.confirm(entry, 2) == 1
    assert not is_left(room)
    assert ears.heard()[0][1] == f"confirmed {room.epoch} 2:ann".encode()


@pytest.mark.parametrize("by_worker", [(1, 2, 3), (1, 2)])
def test_only_the_news_is_told_when_a_confirm_overlaps_an_earlier_one(room, entry, ears, by_worker):
    room.confirm(entry, 1)
    ears.heard()
    assert room.confirm(entry, *by_worker) == len(by_worker) - 1
    numbers = " ".join(f"{n}:ann" for n in by_worker[1:])
    assert ears.heard()[0][1] == f"confirmed {room.epoch} {numbers}".encode()
    assert is_left(room) == (3 not in by_worker)


@pytest.mark.parametrize("late", [(1, 2, 3), (2,)])
def test_a_zombie_changes_nothing_when_another_confirmed_all(room, entry, ears, late):
    room.confirm(entry)
    room.accept("t4")
    ears.heard()
    before = room.contents()
    assert room.confirm(entry, *late) == 0
    assert ears.heard() == []
    assert room.contents() == before


def test_the_consumer_of_a_claimed_entry_holds_nothing_when_a_zombie_confirms_it(room, entry):
    room.client.xclaim(room.outbox_key, keys.GROUP, "other", 0, [entry.entry_id])
    assert room.confirm(entry) == 3
    assert not is_left(room)


def test_log_and_head_live_on_when_messages_are_confirmed(room, entry):
    room.client.expire(room.head, 10)
    room.confirm(entry, 1)
    assert room.client.ttl(room.head) > 604_000
    assert 86_000 < room.client.ttl(room.log) <= 86_400


def test_many_entries_are_confirmed_when_they_come_in_one_call(room):
    for n in range(5):
        room.accept(f"a{n}", f"b{n}")
    entries = room.take()
    assert room.outbox.confirm([each for entry in entries for each in confirmations(entry)]) == 10
    assert not is_left(room)


@pytest.mark.parametrize("broken", ["outbox_key", "partial", "stats"])
def test_nothing_is_half_done_when_a_key_has_a_wrong_type(room, entry, ears, broken):
    key = getattr(room, broken)
    room.client.delete(key)
    room.client.set(key, "not yours")
    before = room.contents()
    with pytest.raises(BrokerUnavailable):
        room.confirm(entry)
    assert room.contents() == before
    assert ears.heard() == []


@pytest.mark.fault
def test_messages_are_confirmed_when_memory_is_full():
    with ValkeyProcess() as server, redis.Redis.from_url(server.url) as full:
        room = Room(full).warm()
        room.accept("t1", "t2")
        room.accept("t3", "t4")
        first, second = room.take()
        full.config_set("maxmemory", "1mb")
        with pytest.raises(redis.OutOfMemoryError):
            room.accept("t5")
        before = room.contents()
        with pytest.raises(BrokerUnavailable):
            room.confirm(first, 1)  # would need memory to remember the part
        assert room.contents() == before
        assert room.confirm(first) == 2
        assert room.confirm(second) == 2
        assert not is_left(room)
