"""After a step here Redis knows whom this server has connected, and the rooms of those who came or went are told.

Nothing is told to Redis as it happens: changes are gathered, and each `step` takes all that came up since the one
before, so that a thousand arrivals cost the same few round trips as one. Whatever a step could not do stays to be
done. No store is asked.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import Protocol

from chat.errors import BrokerUnavailable
from chat.model.presence import Batch, Decided, Holding

RENEWALS_PER_LEASE = 2.5  # so that one renewal may fail
STEP_COST = 600  # users and rooms of each kind in one step: 10 ms of work at most, then others run
TICKS_PER_RENEWAL = 20  # renewals wait for the next tick, so that those of a second or two go out together


class PresenceBoard(Protocol):
    """The shared side of presence."""

    def decide(self, batch: Batch) -> Decided: ...

    def show(self, batch: Batch, decided: Decided) -> None: ...


@dataclass(slots=True)
class _Held:
    """A user who has connections here, or had until a moment ago."""

    name: str
    rooms: set[str] = field(default_factory=set)
    connections: set[str] = field(default_factory=set)
    renew_at_s: float = 0.0
    is_new: bool = True


class Presence:
    """The users of this process. Times are monotonic seconds; only `step` waits for Redis, one at a time."""

    def __init__(self, board: PresenceBoard, *, lease_s: float, grace_s: float) -> None:
        self._board = board
        self._renew_after_s = lease_s / RENEWALS_PER_LEASE
        self._tick_s = self._renew_after_s / TICKS_PER_RENEWAL
        self._grace_s = grace_s
        self._held: dict[str, _Held] = {}
        self._arriving: dict[str, set[str]] = {}  # user -> rooms to enter
        self._exiting: dict[str, set[str]] = {}
        self._removing: dict[str, set[str]] = {}
        self._going: dict[str, float] = {}  # user without a connection -> when the grace ends, soonest first
        self._closed: set[str] = set()
        self._renewing: set[str] = set()  # at once
        self._renewals: list[tuple[float, str]] = []  # heap: when, user
        self._unshown: list[tuple[Batch, Decided]] = []
        self._gone: dict[str, _Held] = {}  # whose departure is under way
        self._is_unsure = False  # what became of the last batch

    @property
    def users(self) -> list[str]:
        """Everyone who is held here."""
        return list(self._held)

    def connected(self, user_id: str, name: str, connection_id: str) -> None:
        """Note a connection; the first one of a user arrives with the next step."""
        held = self._held.get(user_id)
        if held is None:
            held = self._held[user_id] = _Held(name)
        held.name = name
        held.connections.add(connection_id)
        self._going.pop(user_id, None)
        self._arriving.setdefault(user_id, set())

    def closed(self, user_id: str, connection_id: str, now_s: float) -> None:
        """Note the end of a connection; the user goes when no other comes within the grace."""
        self._closed.add(connection_id)
        held = self._held.get(user_id)
        if held is None:
            return
        held.connections.discard(connection_id)
        if not held.connections:
            self._going[user_id] = now_s + self._grace_s

    def joined(self, user_id: str, room_ids: list[str]) -> None:
        """Note rooms that a connection joined."""
        held = self._held.get(user_id)
        if held is None:
            return
        fresh = [room_id for room_id in room_ids if room_id not in held.rooms]
        held.rooms.update(fresh)
        if fresh:
            self._arriving.setdefault(user_id, set()).update(fresh)
            self._exiting.get(user_id, set()).difference_update(fresh)

    def left(self, user_id: str, room_id: str) -> None:
        """Note a room that the last connection of the user here left on purpose."""
        held = self._held.get(user_id)
        if held is not None and room_id in held.rooms:
            held.rooms.discard(room_id)
            self._arriving.get(user_id, set()).discard(room_id)
            self._exiting.setdefault(user_id, set()).add(room_id)

    def removed(self, user_id: str, room_id: str) -> None:
        """Note that a user may not be in a room any more, wherever the user is connected."""
        self.left(user_id, room_id)
        self._removing.setdefault(user_id, set()).add(room_id)

    def beat(self, user_id: str, now_s: float) -> None:
        """Renew a user's lease soon: the client says that it is alive."""
        held = self._held.get(user_id)
        if held is not None and not held.is_new:
            at_s = self._tick_after(now_s)
            if at_s < held.renew_at_s:
                self._renew_at(user_id, held, at_s)

    def renew(self, user_id: str) -> None:
        """Renew a user's lease with the next step: it may be gone."""
        if user_id in self._held:
            self._renewing.add(user_id)

    def due_in_s(self, now_s: float) -> float:
        """Return how long there is nothing to do, if nothing more happens."""
        is_due = self._arriving or self._exiting or self._removing or self._closed or self._renewing
        if is_due or self._unshown:
            return 0.0
        going = next(iter(self._going.values()), now_s + self._renew_after_s)
        renewal = self._renewals[0][0] if self._renewals else going
        return max(0.0, min(going, renewal) - now_s)

    def step(self, now_s: float) -> None:
        """Tell Redis what came up; raises BrokerUnavailable, and then it is still to be told."""
        while self._unshown:
            self._board.show(*self._unshown[0])
            del self._unshown[0]
        batch = self._gather(now_s)
        try:
            decided = self._board.decide(batch)
        except BrokerUnavailable:
            self._put_back(batch, now_s)
            raise
        self._note(batch, decided, now_s)
        self._unshown.append((batch, decided))
        self._board.show(batch, decided)
        self._unshown.clear()

    def _gather(self, now_s: float) -> Batch:
        going: dict[str, _Held] = {}
        ended = takewhile(lambda user_id: self._going[user_id] <= now_s, self._going)
        for user_id in self._affordable(ended, lambda user_id: self._held[user_id].rooms):
            going[user_id] = self._held.pop(user_id)
            self._arriving.pop(user_id, None)
            self._exiting.pop(user_id, None)
        for user_id in going:
            del self._going[user_id]
        self._gone = going
        arriving = self._affordable(self._arriving, self._arriving.__getitem__)
        arrivals = [self._holding(user_id, self._arriving.pop(user_id)) for user_id in arriving]
        closed = set(islice(self._closed, STEP_COST))
        self._closed -= closed
        exits, self._exiting = self._exiting, {}
        removals, self._removing = self._removing, {}
        return Batch(
            arrivals=arrivals,
            renewals=[self._holding(each, self._held[each].rooms) for each in self._due(now_s, set(arriving))],
            departures=list(going),
            exits={user_id: rooms for user_id, rooms in exits.items() if rooms},
            removals=removals,
            closed=closed,
            is_repeated=self._is_unsure,
        )

    def _affordable(self, user_ids: Iterable[str], rooms_of: Callable[[str], Collection[str]]) -> list[str]:
        """Return the first of these users, as many as one step can afford."""
        taken, spent = [], 0
        for user_id in user_ids:
            taken.append(user_id)
            spent += 1 + len(rooms_of(user_id))
            if spent >= STEP_COST:
                break
        return taken

    def _due(self, now_s: float, arriving: Collection[str]) -> list[str]:
        """Return the users whose leases are to be renewed now, but for those who arrive."""
        while self._renewals and self._renewals[0][0] <= now_s and len(self._renewing) < STEP_COST:
            at_s, user_id = heapq.heappop(self._renewals)
            held = self._held.get(user_id)
            if held is not None and held.renew_at_s == at_s:  # else something renewed it meanwhile
                self._renewing.add(user_id)
        self._renewing &= self._held.keys()
        due = [user_id for user_id in self._renewing if user_id not in arriving]  # those wait for the next step
        due = self._affordable(due, lambda user_id: self._held[user_id].rooms)
        self._renewing.difference_update(due)
        return due

    def _holding(self, user_id: str, rooms: set[str]) -> Holding:
        held = self._held[user_id]
        return Holding(user_id, held.name, tuple(rooms), tuple(held.connections), held.is_new)

    def _note(self, batch: Batch, decided: Decided, now_s: float) -> None:
        self._gone, self._is_unsure = {}, False
        renewed = [each for each in batch.arrivals if each.is_new] + list(batch.renewals)
        for each in (*batch.arrivals, *batch.renewals):
            held = self._held.get(each.user_id)
            if held is not None and each.user_id in decided.lost:
                held.is_new = True
                self._arriving.setdefault(each.user_id, set()).update(held.rooms)
        for each in renewed:
            held = self._held.get(each.user_id)
            if held is not None and each.user_id not in decided.lost:
                held.is_new = False
                # Not for everybody who came together at the same moment.
                later_s = self._renew_after_s * random.uniform(0.8, 0.95)
                self._renew_at(each.user_id, held, self._tick_after(now_s + later_s))
        for change in decided.changes:
            held = self._held.get(change.user_id)
            if change.kind == "online" and held is not None:  # the rooms of the membership cache too
                held.rooms.update(change.rooms)

    def _tick_after(self, at_s: float) -> float:
        return (math.floor(at_s / self._tick_s) + 1) * self._tick_s

    def _renew_at(self, user_id: str, held: _Held, at_s: float) -> None:
        held.renew_at_s = at_s
        heapq.heappush(self._renewals, (at_s, user_id))

    def _put_back(self, batch: Batch, now_s: float) -> None:
        """Have everything of a batch to do again, unless it was undone meanwhile."""
        gone, self._gone = self._gone, {}
        self._is_unsure = True
        for user_id, held in gone.items():
            if user_id not in self._held:
                self._held[user_id] = held
                self._going = {user_id: now_s, **self._going}
        for each in batch.arrivals:
            held_now = self._held.get(each.user_id)
            if held_now is not None:
                self._arriving.setdefault(each.user_id, set()).update(held_now.rooms.intersection(each.rooms))
        self._renewing.update(each.user_id for each in batch.renewals if each.user_id in self._held)
        for user_id, rooms in batch.exits.items():
            held_now = self._held.get(user_id)
            if held_now is not None:
                self._exiting.setdefault(user_id, set()).update(set(rooms) - held_now.rooms)
        for user_id, rooms in batch.removals.items():
            self._removing.setdefault(user_id, set()).update(rooms)
        self._closed.update(batch.closed)
