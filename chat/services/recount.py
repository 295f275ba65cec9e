"""After a run here the public counters say what positions say, and people's other devices know it.

Before: a batch of messages was stored, or somebody has seen something, came into a room or left it. A room's change
is served once, however many messages made it. In a small room each member's counters are counted anew; in a large
one only those counters that somebody asked for are dropped, so a message costs the same with ten members and with
ten thousand.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chat.broker.base import DrainLeasing
from chat.model.cursor import UnreadChange
from chat.services.rounds import run_rounds
from chat.services.store_seen import Marking
from chat.services.unread import Unread

TAKE = 200  # marks at once
USERS_AT_ONCE = 25  # half a millisecond in which Redis serves nobody else
RUN_S = 2.0  # then another run goes on, behind the other tasks of the worker
PAUSE_S = 0.1  # between two rounds, so that a busy room is counted ten times a second at most


class Counters(Protocol):
    """The public counters."""

    def begin(self, room_users: Mapping[str, Collection[str]]) -> None: ...

    def write(self, counts: Mapping[str, Mapping[str, int]], changes: Sequence[UnreadChange] = ()) -> None: ...

    def of_room(self, room_ids: Sequence[str]) -> dict[str, set[str]]: ...

    def drop(self, room_users: Mapping[str, Collection[str]]) -> None: ...


class Sizing(Protocol):
    """Who is in small rooms."""

    def members_of_small(self, room_ids: Collection[str]) -> dict[str, list[str]]: ...


@dataclass(slots=True)
class _Work:
    """What the marks of one round ask for: users, and of what each of them is told."""

    users: dict[str, None]
    seen: set[tuple[str, str]]
    moved: set[tuple[str, str]]
    rooms: list[str]


class Recount:
    """One run. It holds a lease, because two that write at a time could leave the older count."""

    def __init__(
        self,
        marks: Marking,
        counters: Counters,
        unread: Unread,
        sizing: Sizing,
        lease: DrainLeasing,
        *,
        sleep: Callable[[float], None] = time.sleep,
        run_s: float = RUN_S,
    ) -> None:
        self._marks = marks
        self._counters = counters
        self._unread = unread
        self._sizing = sizing
        self._lease = lease
        self._sleep = sleep
        self._run_s = run_s

    def run(self) -> bool:
        """Count until nothing is asked for; return True when the time ran out first.

        Raises: BrokerUnavailable, StoreUnavailable; what was asked for stays asked for.
        """
        return run_rounds(self._lease, self.round, run_s=self._run_s, pause_s=PAUSE_S, sleep=self._sleep)

    def round(self) -> bool:
        """Do what is asked for now; return whether anything was."""
        taken = self._marks.take(TAKE)
        if not taken:
            return False
        work = _read(taken)
        small = self._sizing.members_of_small(work.rooms)
        stale = self._counters.of_room(work.rooms)
        self._counters.drop({room: users - set(small.get(room, ())) for room, users in stale.items()})
        told: dict[str, set[str]] = defaultdict(set)  # user -> rooms with something new
        for room_id, members in small.items():
            for user_id in members:
                told[user_id].add(room_id)
        users = list(work.users | dict.fromkeys(told))
        for start in range(0, len(users), USERS_AT_ONCE):
            self._refresh(users[start : start + USERS_AT_ONCE], told, work)
        self._marks.settle(taken)
        return True

    def _refresh(self, user_ids: list[str], told: Mapping[str, set[str]], work: _Work) -> None:
        rooms = self._unread.rooms_of(user_ids)
        self._counters.drop(_left(rooms, work.seen | work.moved))
        by_room: dict[str, list[str]] = defaultdict(list)
        for user_id, room_ids in rooms.items():
            for room_id in room_ids:
                by_room[room_id].append(user_id)
        self._counters.begin(by_room)
        standings = self._unread.of((room_id, user_id) for user_id in user_ids for room_id in rooms[user_id])
        counts = {
            user_id: {room_id: standings[room_id, user_id].unread for room_id in rooms[user_id]}
            for user_id in user_ids
        }
        self._counters.write(counts, list(_changes(counts, told, work)))


def _left(rooms: Mapping[str, list[str]], named: Collection[tuple[str, str]]) -> dict[str, set[str]]:
    """Return which of the named rooms users have a counter of and are not in any more, as room -> users."""
    left: dict[str, set[str]] = defaultdict(set)
    for user_id, room_id in named:
        if user_id in rooms and room_id not in rooms[user_id]:
            left[room_id].add(user_id)
    return left


def _changes(
    counts: Mapping[str, Mapping[str, int]], told: Mapping[str, set[str]], work: _Work
) -> list[UnreadChange]:
    changes = []
    for user_id, rooms in counts.items():
        total = sum(rooms.values())
        for room_id, unread in rooms.items():
            place = user_id, room_id
            is_seen = place in work.seen or (unread > 0 and place in work.moved)
            if is_seen or room_id in told.get(user_id, ()):
                changes.append(UnreadChange(user_id, room_id, unread, total, is_new=not is_seen))
    return changes


def _read(taken: Mapping[str, Mapping[str, str]]) -> _Work:
    work = _Work({}, set(), set(), [])
    for field in (field for marks in taken.values() for field in marks):
        kind, *names = field.split(" ")
        if kind == "r":
            work.rooms.append(names[0])
        else:
            work.users[names[0]] = None
        if kind == "s":
            work.seen.add((names[0], names[1]))
        elif kind == "m":
            work.moved.add((names[0], names[1]))
    return work
