"""After a drain, whatever waited in the outbox is stored and confirmed, or retracted.

Before: the accept step queued messages and somebody sent a wake-up. After: senders and rooms know.
A drain killed anywhere only leaves work to repeat: an entry stays pending until its last message is settled.
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from chat.broker.base import SUSPECT_ABOVE, Draining, DrainLeasing, OutboxEntry
from chat.errors import StoreError
from chat.services.confirm import confirmations
from chat.services.removed import store_removed
from chat.services.retract import GIVEN_UP, POISON, retractions, take_out
from chat.services.settle import CONFLICT, Failed, Pending, Settled, settle
from chat.services.told import Told
from chat.store.base import Store

RUN_S = 8.0  # then another run goes on: under the 10 s that a stopping worker may take, and every time limit
SMALL_BATCH = 100  # messages; after fewer it pays to wait a moment for company
FIRST_TAKE = 32  # entries per shard; an entry holds up to 100 messages
TAKE_AT_MOST = 4  # batches taken at once, about: what is taken waits in this process alone
POISON_ABOVE = 8  # deliveries
FIRST_PAUSE_S = 0.1  # while the store is away, doubled each time
LONGEST_PAUSE_S = 2.0
WAIT_SLICE_S = 1.0  # the lease is renewed that often during a long wait
HANDED_BACK_IDLE_MS = 86_400_000  # older than any RECLAIM_IDLE_S: the next run takes it at once
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DrainPolicy:
    """The knobs of a drain; the settings of the same names explain them."""

    batch: int
    linger_s: float
    reclaim_idle_s: float
    give_up_s: float
    run_s: float = RUN_S


@dataclass(slots=True)
class Patience:
    """When the store last turned messages away for an operator to mend, remembered from one run to the next."""

    turned_away_at: float = 0.0  # time.time


class Drain:
    """One run over all shards, by one consumer."""

    def __init__(
        self,
        outbox: Draining,
        store: Store,
        lease: DrainLeasing,
        policy: DrainPolicy,
        *,
        patience: Patience | None = None,
        told: Told | None = None,
        sleep: Callable[[float], None] = time.sleep,
        on_settled: Callable[[set[str]], None] = lambda _: None,
        on_turned_away: Callable[[str], None] = lambda _: None,
        note: Callable[[Settled], Settled] = lambda settled: settled,
    ) -> None:
        self._outbox = outbox
        self._store = store
        self._lease = lease
        self._policy = policy
        self._patience = patience or Patience()
        self._told = told or Told()
        self._sleep = sleep
        self._on_settled = on_settled  # called with the rooms of each batch: their unread counts have changed
        self._on_turned_away = on_turned_away  # called with what an operator has to mend, at each try until then
        self._note = note  # called with each batch before it is confirmed: what else the store has to know
        self._take_limit = FIRST_TAKE
        self._is_more_waiting = False
        # More came than a lone message, and no wait followed. Who leaves then is woken again at once, as another
        # worker perhaps, that has to find out anew what the store has.
        self._is_company_likely = False
        self._is_overtaken = False
        self._counted_round_trips = store.round_trips
        self._reclaim_at = self._ends_at = 0.0

    def run(self) -> bool:
        """Serve until nothing waits; return True when the time ran out first, and another run has to follow.

        Raises: BrokerUnavailable; what was taken is then reclaimed by a later run.
        """
        self._ends_at = time.monotonic() + self._policy.run_s
        self._lease.take()
        while self._serve_until_quiet():
            if self._is_overtaken:
                return False
            self._lease.release()
            # Who queued a message while we held the lease sent no wake-up for it.
            left = self._take()
            if not left:
                return False
            self._serve(left)
            self._is_company_likely = True
        return True

    def _serve_until_quiet(self) -> bool:
        while not self._is_late():
            self._hold_lease()
            if self._is_overtaken:
                return True
            if left_by_others := self._reclaim():
                self._serve(left_by_others)
                continue
            entries = self._take()
            if not entries:
                if not self._is_company_likely:
                    return True
            else:
                self._serve(entries)
                if self._is_more_waiting or sum(len(each.messages) for each in entries) >= SMALL_BATCH:
                    self._is_company_likely = True
                    continue
            self._wait(self._policy.linger_s)
            self._is_company_likely = False
        return False

    def _take(self) -> list[OutboxEntry]:
        """Take new entries, as many as make some batches: one busy room gives few and large ones."""
        entries = self._outbox.take(self._take_limit)
        messages = sum(len(entry.messages) for entry in entries)
        per_shard = Counter(entry.shard for entry in entries)
        self._is_more_waiting = max(per_shard.values(), default=0) >= self._take_limit
        if messages > TAKE_AT_MOST * self._policy.batch:
            self._take_limit = max(self._take_limit // 2, 1)
        elif self._is_more_waiting:
            self._take_limit = min(self._take_limit * 2, self._policy.batch)
        return entries

    def _reclaim(self) -> list[OutboxEntry]:
        """Take over what a dead worker left: at the start and then as often as it can be there."""
        if time.monotonic() < self._reclaim_at:
            return []
        idle_s = self._policy.reclaim_idle_s
        entries = self._outbox.reclaim(int(idle_s * 1000), FIRST_TAKE)
        if entries:
            log.warning("outbox-reclaimed", extra={"entries": len(entries)})
        else:
            self._reclaim_at = time.monotonic() + idle_s
        return entries

    def _serve(self, entries: Sequence[OutboxEntry]) -> None:
        """Settle the messages of these entries; what is left at the end of the run is handed back."""
        held = self._without_poison(self._unsettled(entries))
        pause_s = FIRST_PAUSE_S
        while held:
            self._hold_lease()
            size = self._batch_size(held)
            batch, held = held[:size], held[size:]
            settled = self._settle(batch)
            is_stuck = len(settled.waiting) == len(batch)
            held = self._kept(settled, held) if is_stuck else held + settled.waiting
            if held and self._is_late():
                self._outbox.keep(_entries_of(held), idle_ms=HANDED_BACK_IDLE_MS)
                return
            pause_s = self._pause(held, pause_s) if is_stuck and held else FIRST_PAUSE_S

    def _pause(self, held: Sequence[Pending], pause_s: float) -> float:
        """Wait for the store with everything in hand; return how long to wait the next time."""
        self._outbox.keep(_entries_of(held))
        self._wait(pause_s * random.uniform(0.5, 1.0))
        return min(pause_s * 2, LONGEST_PAUSE_S)

    def _settle(self, batch: Sequence[Pending]) -> Settled:
        settled = self._note(settle(self._store, batch))
        if settled.stored:
            self._outbox.confirm(confirmations(settled.stored))
        self._retract(settled.failed)
        if settled.stored:
            self._on_settled({each.pending.message.room_id for each in settled.stored})
        self._tell_of(settled.unknown_rooms)
        if settled.turned_away:
            told = {"waiting": len(settled.waiting), "reason": settled.turned_away}
            log.error("store-misconfigured", extra={**told, "action": "wait until it is mended"})
            self._on_turned_away(settled.turned_away)
        elif settled.waiting:
            log.warning("store-unavailable", extra={"waiting": len(settled.waiting), "action": "try again"})
        return settled

    def _tell_of(self, unknown_rooms: Sequence[str]) -> None:
        for room_id in filter(self._told.is_news, unknown_rooms):
            action = "its new messages are kept; restore the store, or make the room again"
            log.error("store-lost-room", extra={"room": room_id, "action": action})

    def _retract(self, failed: Sequence[Failed]) -> None:
        if failed:
            message, code = failed[0].pending.message, failed[0].failure.code
            first = {"room": message.room_id, "seq": message.seq, "code": code}
            log.error("messages-retracted", extra={"count": len(failed), **first})
            gone = [each.pending.message for each in failed if each.failure not in (GIVEN_UP, CONFLICT)]
            with suppress(StoreError):  # then the `seen` task does it
                store_removed(self._store, [(message.room_id, message.seq) for message in gone])
            self._outbox.retract_all(retractions(failed))
            self._on_settled({each.pending.message.room_id for each in failed})

    def _unsettled(self, entries: Iterable[OutboxEntry]) -> list[Pending]:
        """Return the open messages; only an entry that was delivered before can have settled ones."""
        shards = {entry.shard for entry in entries if entry.deliveries > 1}
        settled = {shard: self._outbox.settled(shard) for shard in shards}
        return [
            Pending(entry, message)
            for entry in entries
            for message in entry.messages
            if entry.deliveries == 1 or f"{entry.entry_id}:{message.seq}" not in settled[entry.shard]
        ]

    def _without_poison(self, held: list[Pending]) -> list[Pending]:
        """Retract what killed its worker each time: the first open message, all before it were settled.

        The last one may have died behind the write.
        """
        if held and held[0].entry.deliveries > POISON_ABOVE:
            with suppress(StoreError):
                take_out(self._store, held[0].message)
            self._retract([Failed(held[0], POISON)])
            return held[1:]
        return held

    def _kept(self, settled: Settled, held: list[Pending]) -> list[Pending]:
        """Keep all while an operator has to mend something: everybody's messages would be given up otherwise."""
        if settled.turned_away:
            self._patience.turned_away_at = time.time()
            return settled.waiting + held
        return self._without_expired(settled.waiting + held)

    def _without_expired(self, held: list[Pending]) -> list[Pending]:
        """Give up on messages that have waited too long for the store; the time it was misconfigured is free."""
        oldest_ms = (time.time() - self._policy.give_up_s) * 1000
        if oldest_ms < self._patience.turned_away_at * 1000:
            return held
        expired = [Failed(each, GIVEN_UP) for each in held if each.message.accepted_ms < oldest_ms]
        self._retract(expired)
        return [each for each in held if each.message.accepted_ms >= oldest_ms] if expired else held

    def _batch_size(self, held: Sequence[Pending]) -> int:
        """Return how many messages go to the store at once: whole entries, or one message of a suspect."""
        first = held[0].entry
        if first.deliveries > SUSPECT_ABOVE + 1:
            return 1
        size = min(self._policy.batch, len(held))
        while size < len(held) and held[size].entry is held[size - 1].entry:
            size += 1
        return size

    def _hold_lease(self) -> None:
        round_trips = self._store.round_trips
        self._is_overtaken = not self._lease.hold(round_trips - self._counted_round_trips)
        self._counted_round_trips = round_trips

    def _wait(self, seconds: float) -> None:
        while seconds > 0:
            self._sleep(min(seconds, WAIT_SLICE_S))
            seconds -= WAIT_SLICE_S
            if seconds > 0:
                self._hold_lease()

    def _is_late(self) -> bool:
        return time.monotonic() >= self._ends_at


def _entries_of(held: Iterable[Pending]) -> list[OutboxEntry]:
    """Return the entries of these messages, each once."""
    return list({(each.entry.shard, each.entry.entry_id): each.entry for each in held}.values())
