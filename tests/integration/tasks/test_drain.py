"""The drain between a real Valkey and a real SQLite: what senders are told, and what is stored by then."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace

import pytest

from chat.broker import keys
from chat.broker.base import SUSPECT_ABOVE, Confirmation
from chat.broker.outbox import Outbox
from chat.model.message import message_key
from chat.services.drain import Drain
from chat.services.settle import Pending, settle
from chat.store.base import Kind
from tests.support.drainage import POLICY, Drainage
from tests.support.wait import eventually


def names(count: int, start: int = 0) -> list[str]:
    return [f"t{number}" for number in range(start, start + count)]


def once(*temp_ids: str) -> Counter[str]:
    return Counter(temp_ids)


def test_messages_are_stored_confirmed_once_and_leave_the_outbox(room: Drainage) -> None:
    room.accept("t0", "t1")
    room.accept("t2")

    assert room.drain() is False

    assert {seq: document["temp_id"] for seq, document in room.documents().items()} == {
        1: "t0",
        2: "t1",
        3: "t2",
    }
    assert room.last_seq() == 3
    assert room.told("message-confirmed") == once("t0", "t1", "t2")
    assert room.counts() == (3, 3, 0)
    assert room.waiting() == 0
    first = room.frames("message-confirmed")[0]["data"]
    assert (first["realId"], first["message"]["_temp"], first["message"]["id"]) == (
        room.id_of(1),
        False,
        room.id_of(1),
    )


def test_a_batch_costs_one_store_round_trip_over_several_entries(room: Drainage) -> None:
    room.accept("first")
    room.drain()  # a sender's first message takes one more, for the cursor
    room.client.delete(keys.WORK_STATS)
    for name in names(40):
        room.accept(name)
    before = room.store.round_trips

    room.drain()

    # 32 entries are taken at first, then twice as many: it reaches one trip per batch as it learns
    assert room.store.round_trips - before == 2
    assert room.client.hgetall(keys.WORK_STATS) == {b"drain_tasks": b"1", b"store_round_trips": b"2"}


def test_nothing_is_told_twice_when_a_second_drain_repeats_the_first(room: Drainage) -> None:
    room.accept("t0", "t1")
    taken = room.outbox.take(10)
    settle(room.store, [Pending(entry, each) for entry in taken for each in entry.messages])
    eventually(lambda: room.drain("second") is False and room.waiting() == 0)  # as if the first died here

    Drain(room.outbox, room.store, _NoLease(), POLICY)._serve(taken)  # it did not: it wakes up late

    assert room.told("message-confirmed") == once("t0", "t1")
    assert room.counts() == (2, 2, 0)
    assert len(room.documents()) == 2


def test_an_edit_is_kept_when_its_message_is_stored_again(room: Drainage) -> None:
    room.accept("t0")
    entry = room.outbox.take(1)[0]
    settle(room.store, [Pending(entry, entry.messages[0])])
    room.store.update_paths(Kind.MESSAGE, message_key(room.room_id, 1), sets={("content",): "edited"})

    eventually(lambda: room.drain("second") is False and room.waiting() == 0)

    assert room.documents()[1]["content"] == "edited"
    assert room.frames("message-confirmed")[0]["data"]["message"]["content"] == "edited"


def test_a_refused_message_is_retracted_and_its_neighbours_are_confirmed(room: Drainage) -> None:
    room.refuse_poison()
    room.accept("t0")
    room.accept("bad", content="poison")
    room.accept("t1", "t2")

    room.drain()

    assert room.told("message-confirmed") == once("t0", "t1", "t2")
    assert room.told("message-failed") == once("bad")
    error = room.frames("message-failed")[0]["data"]["error"]
    assert (error["code"], error["retryable"]) == ("refused", False)
    assert sorted(room.documents()) == [1, 3, 4]
    assert (room.dead_letters(), room.waiting(), room.counts()) == (1, 0, (4, 3, 1))


def test_an_entry_is_settled_message_by_message_when_one_of_it_fails(room: Drainage) -> None:
    room.put(2, b'{"id":"another","seq":2}')
    room.accept("t0", "t1", "t2")

    room.drain()

    assert room.told("message-confirmed") == once("t0", "t2")
    error = room.frames("message-failed")[0]["data"]["error"]
    assert (error["code"], error["retryable"]) == ("conflict", True)
    assert room.documents()[2]["id"] == "another"
    assert room.waiting() == 0
    assert room.client.hlen(keys.partial(room.shard)) == 0


def test_settled_messages_are_skipped_when_their_entry_is_reclaimed(room: Drainage) -> None:
    room.accept("t0", "t1")
    [entry] = room.outbox.take(1)
    room.outbox.confirm([Confirmation(entry, entry.messages[0], b'{"event":"early","data":{}}')])

    eventually(lambda: room.drain("second") is False and room.waiting() == 0)

    assert room.told("message-confirmed") == once("t1")
    assert sorted(room.documents()) == [2]


def test_nothing_is_lost_or_retracted_when_the_store_is_away_for_a_while(room: Drainage) -> None:
    room.accept("t0", "t1")
    with room.outage():
        drain = threading.Thread(target=room.drain)
        drain.start()
        eventually(lambda: room.taken() == 1)
        room.accept("t2")  # people keep chatting
    drain.join(10)

    assert room.told("message-confirmed") == once("t0", "t1", "t2")
    assert room.told("message-failed") == once()
    assert len(room.documents()) == 3


def test_the_next_run_goes_on_at_once_when_a_run_ends_during_an_outage(room: Drainage) -> None:
    room.accept("t0")
    with room.outage():
        for _ in range(12):  # oftener than a poisonous entry is tried
            assert room.drain(policy=replace(POLICY, run_s=0.01, reclaim_idle_s=30)) is True

    assert room.drain("second", policy=replace(POLICY, reclaim_idle_s=30)) is False

    assert room.told("message-confirmed") == once("t0")
    assert room.told("message-failed") == once()


def test_a_message_is_given_up_when_the_store_is_away_for_too_long(room: Drainage) -> None:
    room.accept("old", age_s=120)
    room.accept("young")
    with room.outage():
        assert room.drain(policy=replace(POLICY, run_s=0.1)) is True
    room.drain()

    assert room.told("message-failed") == once("old")
    error = room.frames("message-failed")[0]["data"]["error"]
    assert (error["code"], error["retryable"]) == ("store-unavailable", True)
    assert room.told("message-confirmed") == once("young")
    assert room.dead_letters() == 1


def test_an_old_message_is_stored_when_the_store_answers(room: Drainage) -> None:
    room.accept("old", age_s=100_000)

    room.drain()

    assert room.told("message-confirmed") == once("old")


def test_what_kills_its_worker_each_time_is_retracted_alone(room: Drainage) -> None:
    room.accept("t0")
    room.accept("t1", "deadly", "t2")
    room.accept("t3")
    store = _DeadlyStore(room)

    def drain_or_die() -> bool:
        try:
            Drain(_consumer(room), store, _NoLease(), POLICY).run()  # type: ignore[arg-type]
        except _DeathError:
            return False
        return room.waiting() == 0

    eventually(drain_or_die, timeout_s=20)

    assert room.told("message-failed") == once("deadly")
    assert room.frames("message-failed")[0]["data"]["error"]["code"] == "poison"
    assert room.told("message-confirmed") == once("t0", "t1", "t2", "t3")


def test_an_entry_that_nobody_can_read_is_buried_and_the_others_are_stored(room: Drainage) -> None:
    room.client.xadd(keys.outbox(room.shard), {"m": "nonsense"})
    room.accept("t0")

    room.drain()

    assert room.told("message-confirmed") == once("t0")
    assert (room.waiting(), room.dead_letters()) == (0, 1)


def test_the_drain_goes_on_when_redis_lost_everything(room: Drainage) -> None:
    room.accept("t0")
    room.drain()
    room.client.flushall()
    room.warm(last_seq=1)
    room.accept("t1")

    room.drain()

    assert room.told("message-confirmed") == once("t0", "t1")


@pytest.mark.parametrize("lost", ["group", "stream"])
def test_what_other_shards_gave_is_kept_when_one_lost_its_group(room: Drainage, lost: str) -> None:
    other = Drainage(room.client, room.path.parent / "other", "another-room")
    assert other.shard != room.shard
    room.drain()  # the groups are there
    if lost == "group":
        room.client.xgroup_destroy(keys.outbox(room.shard), keys.GROUP)
    else:
        room.client.delete(keys.outbox(room.shard))
    room.accept("t0")
    other.accept("t1")

    taken = room.outbox.take(10)

    assert {message.temp_id for entry in taken for message in entry.messages} == {"t0", "t1"}
    other.close()


def test_suspects_come_one_by_one_when_no_other_entry_is_left(room: Drainage) -> None:
    for name in ("t0", "t1"):
        room.accept(name)
    room.outbox.take(10)
    while min(counts := [each.deliveries for each in room.outbox.reclaim(0, 10)]) < SUSPECT_ABOVE:
        assert len(counts) == 2
    room.accept("t2")
    room.outbox.take(10)

    came = [[each.first_seq for each in room.outbox.reclaim(0, 10)] for _ in range(6)]

    assert came == [[3], [3], [3], [3], [1], [1]]


class _NoLease:
    def take(self) -> None: ...

    def hold(self, store_round_trips: int = 0) -> bool:
        return True

    def release(self) -> None: ...


class _DeathError(Exception):
    """Stands for the end of the process."""


class _DeadlyStore:
    """The room's store, until it meets the deadly message."""

    def __init__(self, room: Drainage) -> None:
        self._store = room.store
        self.round_trips = 0

    def write_many(self, writes):
        if any(b"deadly" in getattr(write, "body", b"") for write in writes):
            raise _DeathError
        return self._store.write_many(writes)

    def update_paths(self, *what, **how):
        return self._store.update_paths(*what, **how)

    def insert(self, *what):
        return self._store.insert(*what)

    def get(self, *what):
        return self._store.get(*what)


def _consumer(room: Drainage) -> Outbox:
    return Outbox(room.client, consumer="mortal", log_length=1000)
