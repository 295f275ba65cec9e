"""What a drain decides: how much to take, when to wait, when to end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import pytest

from chat.broker.base import Confirmation, OutboxEntry, OutboxMessage, Retraction
from chat.services.drain import FIRST_TAKE, HANDED_BACK_IDLE_MS, RUN_S, Drain, DrainPolicy, Patience
from chat.services.told import Told
from chat.store.base import Insert, Missing, Outcome, Unavailable, Write, Written

POLICY = DrainPolicy(batch=500, linger_s=0.15, reclaim_idle_s=5, give_up_s=10**10)


def entry(first_seq: int = 1, count: int = 1, deliveries: int = 1, shard: int = 0) -> OutboxEntry:
    messages = tuple(
        OutboxMessage("r", "e", seq, "ann", f"t{seq}", 0, b'"n":1') for seq in range(first_seq, first_seq + count)
    )
    return OutboxEntry(shard, f"{first_seq}-0", "r", "e", first_seq, messages, deliveries)


class MemoryOutbox:
    """Entries in memory; whatever was asked of it is remembered."""

    def __init__(self, waiting: Sequence[OutboxEntry] = (), left: Sequence[OutboxEntry] = ()) -> None:
        self.waiting = list(waiting)
        self.left = list(left)
        self.limits: list[int] = []
        self.kept: list[tuple[int, int]] = []
        self.confirmed: list[int] = []
        self.retracted: list[tuple[int, str]] = []
        self.marks: set[str] = set()

    def take(self, limit: int) -> list[OutboxEntry]:
        self.limits.append(limit)
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return taken

    def reclaim(self, min_idle_ms: int, limit: int) -> list[OutboxEntry]:
        taken, self.left = self.left[:limit], self.left[limit:]
        return taken

    def keep(self, entries: Collection[OutboxEntry], *, idle_ms: int = 0) -> None:
        self.kept.append((len(entries), idle_ms))

    def settled(self, shard: int) -> set[str]:
        return self.marks

    def confirm(self, confirmations: Collection[Confirmation]) -> int:
        self.confirmed += [each.message.seq for each in confirmations]
        return len(confirmations)

    def retract_all(self, retractions: Collection[Retraction]) -> int:
        self.retracted += [(each.message.seq, each.code) for each in retractions]
        return len(retractions)


class MemoryStore:
    """Writes everything, `outages` times nothing; remembers how many messages came at once."""

    def __init__(self, outages: int = 0, *, is_misconfigured: bool = False, has_room: bool = True) -> None:
        self.round_trips = 0
        self.outages = outages
        self.fault = Unavailable("down", is_misconfigured)
        self.batches: list[int] = []
        self._raised = Written(1) if has_room else Missing()

    def write_many(self, writes: Sequence[Write]) -> list[Outcome]:
        self.round_trips += 1
        if self.round_trips <= self.outages:
            return [self.fault] * len(writes)
        self.batches.append(sum(isinstance(write, Insert) for write in writes))
        return [Written(1) if isinstance(write, Insert) else self._raised for write in writes]

    def update_paths(self, *_: object, **__: object) -> int:
        return 1

    def get(self, *_: object) -> None:
        return None


class Lease:
    """Counts; `on_release` lets a test do something in the gap after it, `is_lost_at` is the hold that fails."""

    def __init__(self, on_release: Callable[[], None] = lambda: None, is_lost_at: int = 0) -> None:
        self.is_lost_at, self.holds = is_lost_at, 0
        self.round_trips = 0
        self.releases = 0
        self._on_release = on_release

    def take(self) -> None: ...

    def hold(self, store_round_trips: int = 0) -> bool:
        self.round_trips += store_round_trips
        self.holds += 1
        return self.holds != self.is_lost_at

    def release(self) -> None:
        self.releases += 1
        self._on_release()


class Run:
    """One drain with everything in memory, run at once."""

    def __init__(
        self,
        outbox: MemoryOutbox,
        store: MemoryStore | None = None,
        policy: DrainPolicy = POLICY,
        lease: Lease | None = None,
        patience: Patience | None = None,
        told: Told | None = None,
    ) -> None:
        self.turned_away: list[str] = []
        self.outbox, self.store, self.lease = outbox, store or MemoryStore(), lease or Lease()
        self.sleeps: list[float] = []
        adapter: Any = self.store
        drain = Drain(
            outbox,
            adapter,
            self.lease,
            policy,
            patience=patience,
            told=told,
            sleep=self.sleeps.append,
            on_turned_away=self.turned_away.append,
        )
        self.is_unfinished = drain.run()


def test_an_empty_outbox_ends_the_run_without_a_wait() -> None:
    run = Run(MemoryOutbox())

    assert (run.is_unfinished, run.sleeps, run.store.round_trips) == (False, [], 0)


def test_a_lone_message_is_confirmed_before_the_drain_waits_for_more() -> None:
    run = Run(MemoryOutbox([entry()]))

    assert run.outbox.confirmed == [1]
    assert run.sleeps == [POLICY.linger_s]


def test_a_drain_looks_again_at_once_when_much_was_there_and_waits_before_it_leaves() -> None:
    outbox = MemoryOutbox([entry(count=100)])

    run = Run(outbox)

    assert run.sleeps == [POLICY.linger_s]
    assert len(outbox.limits) == 4  # much, nothing, nothing after a wait, nothing after the release


def test_more_is_taken_each_time_while_a_shard_gives_all_that_was_asked() -> None:
    outbox = MemoryOutbox([entry(seq) for seq in range(1, 300)])

    run = Run(outbox)

    assert outbox.limits[:4] == [FIRST_TAKE, 2 * FIRST_TAKE, 4 * FIRST_TAKE, 8 * FIRST_TAKE]
    assert run.sleeps == [POLICY.linger_s]  # after the last of them


def test_less_is_taken_when_the_entries_are_large() -> None:
    outbox = MemoryOutbox([entry(seq * 100, count=100) for seq in range(1, 41)])

    Run(outbox)

    assert outbox.limits[:2] == [FIRST_TAKE, FIRST_TAKE // 2]


def test_batches_keep_entries_whole() -> None:
    run = Run(MemoryOutbox([entry(1, 300), entry(301, 300), entry(601, 300)]))

    assert run.store.batches == [600, 300]


def test_what_comes_between_the_last_look_and_the_release_is_served() -> None:
    outbox = MemoryOutbox()
    late = [entry()]
    lease = Lease(lambda: outbox.waiting.extend(late) or late.clear())  # type: ignore[func-returns-value]

    Run(outbox, lease=lease)

    assert outbox.confirmed == [1]
    assert lease.releases == 2


def test_a_drain_that_was_overtaken_serves_what_it_took_and_ends() -> None:
    outbox = MemoryOutbox([entry(1, count=100)])

    run = Run(outbox, lease=Lease(is_lost_at=3))  # at the look, with the batch in hand, and at the next look
    outbox.waiting.append(entry(101))

    assert outbox.confirmed == list(range(1, 101))
    assert (run.is_unfinished, run.lease.releases, run.lease.round_trips) == (False, 0, 1)


def test_a_run_ends_and_asks_for_another_when_its_time_is_over() -> None:
    run = Run(MemoryOutbox([entry()]), policy=replace(POLICY, run_s=0))

    assert run.is_unfinished is True
    assert run.outbox.confirmed == []


def test_the_pauses_grow_with_jitter_while_the_store_is_away() -> None:
    run = Run(MemoryOutbox([entry()]), MemoryStore(outages=7))

    bounds = [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    pauses = merge_slices(run.sleeps)[:7]
    assert all(bound / 2 <= pause <= bound for pause, bound in zip(pauses, bounds, strict=True)), pauses
    assert run.outbox.kept == [(1, 0)] * 7
    assert run.outbox.confirmed == [1]


def test_everything_is_handed_back_when_the_run_ends_during_an_outage() -> None:
    class Late(Drain):
        def _is_late(self) -> bool:
            return self._store.round_trips > 0

    outbox = MemoryOutbox([entry(1), entry(2)])
    store: Any = MemoryStore(outages=10)

    assert Late(outbox, store, Lease(), POLICY).run() is True
    assert outbox.kept == [(2, HANDED_BACK_IDLE_MS)]


def test_a_run_hands_back_what_it_took_when_its_time_is_over() -> None:
    class Late(Drain):
        def _is_late(self) -> bool:
            return self._store.round_trips > 1

    outbox = MemoryOutbox([entry(seq * 500, 500) for seq in range(1, 6)])
    store: Any = MemoryStore()

    assert Late(outbox, store, Lease(), POLICY).run() is True
    assert (store.batches, outbox.kept) == ([500, 500], [(3, HANDED_BACK_IDLE_MS)])


def test_expired_messages_are_given_up_only_while_the_store_is_away() -> None:
    policy = replace(POLICY, give_up_s=1)

    assert Run(MemoryOutbox([entry()]), policy=policy).outbox.confirmed == [1]
    run = Run(MemoryOutbox([entry()]), MemoryStore(outages=1), policy)
    assert run.outbox.retracted == [(1, "store-unavailable")]


def test_nothing_is_given_up_while_an_operator_has_to_mend_the_store(caplog: pytest.LogCaptureFixture) -> None:
    policy = replace(POLICY, give_up_s=1)

    run = Run(MemoryOutbox([entry(1), entry(2)]), MemoryStore(outages=5, is_misconfigured=True), policy)

    assert (run.outbox.retracted, run.outbox.confirmed) == ([], [1, 2])
    assert [record.message for record in caplog.records] == ["store-misconfigured"] * 5
    assert run.turned_away == ["down"] * 5


def test_the_time_a_store_was_misconfigured_counts_for_no_message() -> None:
    policy = replace(POLICY, give_up_s=60)
    patience = Patience()
    Run(MemoryOutbox([entry()]), MemoryStore(outages=1, is_misconfigured=True), policy, patience=patience)

    just_mended = Run(MemoryOutbox([entry()]), MemoryStore(outages=1), policy, patience=patience)
    patience.turned_away_at -= 61
    long_after = Run(MemoryOutbox([entry()]), MemoryStore(outages=1), policy, patience=patience)

    assert just_mended.outbox.confirmed == [1]
    assert long_after.outbox.retracted == [(1, "store-unavailable")]


def test_a_room_that_the_store_lost_is_told_once_and_its_messages_are_confirmed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = Told()
    runs = [Run(MemoryOutbox([entry()]), MemoryStore(has_room=False), told=told) for _ in range(3)]

    assert [run.outbox.confirmed for run in runs] == [[1]] * 3
    assert [record.message for record in caplog.records] == ["store-lost-room"]


def test_settled_messages_of_a_reclaimed_entry_are_skipped() -> None:
    outbox = MemoryOutbox(left=[entry(1, 3, deliveries=2)])
    outbox.marks = {"1-0:2"}

    Run(outbox)

    assert outbox.confirmed == [1, 3]


def test_a_suspect_is_stored_message_by_message() -> None:
    whole = Run(MemoryOutbox(left=[entry(1, 3, deliveries=6)]))
    single = Run(MemoryOutbox(left=[entry(1, 3, deliveries=7)]))

    assert (whole.store.batches, single.store.batches) == ([3], [1, 1, 1])


def test_only_the_first_open_message_of_a_poisonous_entry_is_retracted() -> None:
    outbox = MemoryOutbox(left=[entry(1, 3, deliveries=9)])
    outbox.marks = {"1-0:1"}

    Run(outbox)

    assert (outbox.retracted, outbox.confirmed) == ([(2, "poison")], [3])


def test_store_round_trips_are_counted_with_the_lease() -> None:
    run = Run(MemoryOutbox([entry(1), entry(2)]), MemoryStore(outages=2))

    assert run.lease.round_trips == run.store.round_trips == 3


def test_a_run_is_shorter_than_the_patience_of_a_supervisor() -> None:
    assert RUN_S < 10


def merge_slices(sleeps: list[float]) -> list[float]:
    """Put the slices of a long wait together again: a slice of 1 s is followed by its rest."""
    merged: list[float] = []
    is_open = False
    for sleep in sleeps:
        merged = [*merged[:-1], merged[-1] + sleep] if is_open else [*merged, sleep]
        is_open = sleep == 1.0 and not is_open
    return merged
