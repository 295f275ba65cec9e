"""After a check here some users' unread counts were compared with the store, and what was wrong is mended.

Nothing needs it while all goes well. It mends what a crash between two steps leaves (a number that stands for no
message and is counted, a counter that was written too late), and tells how much it found.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from chat.broker.base import LogRead, OutboxMessage
from chat.model.cursor import Standing
from chat.model.message import message_key
from chat.services.cursors import Pair
from chat.services.unread import Unread
from chat.store.base import Kind, Store

SECOND_LOOK_S = 2.0  # a counter that is only behind says something else by then
DEPTH = 1000  # newest unread numbers of one room that are looked up


Cached = tuple[int | None, dict[str, int]]  # a user's counters: total, and room -> unread


class Reconciled(NamedTuple):
    """What a check looked at, and what it found wrong and mended."""

    users: int = 0
    pairs: int = 0
    numbers: int = 0  # that stand for no message and were counted
    counters: int = 0  # public keys that said something else than positions

    @property
    def drift(self) -> int:
        """How much was wrong."""
        return self.numbers + self.counters


class Numbers(Protocol):
    """The broker's removed numbers."""

    def remove(self, room_id: str, seqs: Collection[int]) -> int | None: ...

    def removed_of(self, room_id: str) -> set[int]: ...


class CachedCounters(Protocol):
    """The public counters."""

    def read(self, user_id: str, room_ids: Sequence[str]) -> Cached: ...


class _Stored(msgspec.Struct):
    deleted_at: str | None = None


_stored = msgspec.json.Decoder(_Stored)


class Reconcile:
    """Checks users; `waiting(room, seqs)` tells which of a room's messages still wait to be stored.

    `locate(room)` warms a room, `recount(users)` has counters counted anew.
    """

    def __init__(
        self,
        unread: Unread,
        numbers: Numbers,
        counters: CachedCounters,
        store: Store,
        waiting: Callable[[str, Collection[int]], dict[int, OutboxMessage]],
        locate: Callable[[str], LogRead],
        recount: Callable[[Collection[str]], None],
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._unread = unread
        self._numbers = numbers
        self._counters = counters
        self._store = store
        self._waiting = waiting
        self._locate = locate
        self._recount = recount
        self._sleep = sleep

    def check(self, user_ids: Collection[str]) -> Reconciled:
        """Check these users' rooms. Raises BrokerUnavailable, StoreUnavailable."""
        rooms = self._unread.rooms_of(user_ids)
        pairs = [(room_id, user_id) for user_id, room_ids in rooms.items() for room_id in room_ids]
        numbers = self._mend_numbers(self._unread.of(pairs))
        wrong = self._wrong(user_ids, rooms)
        if wrong:
            self._sleep(SECOND_LOOK_S)
            again = self._wrong(wrong, rooms)
            wrong = {user_id: cached for user_id, cached in wrong.items() if again.get(user_id) == cached}
        if wrong:
            self._recount(wrong)
        return Reconciled(len(user_ids), len(pairs), numbers, len(wrong))

    def _mend_numbers(self, standings: Mapping[Pair, Standing]) -> int:
        """Look up what is counted as unread, each number of a room once; return how many are no messages."""
        counted: dict[str, set[int]] = {}
        for (room_id, _), each in standings.items():
            if each.unread:
                first = max(each.read_seq, each.last_seq - DEPTH) + 1
                counted.setdefault(room_id, set()).update(range(first, each.last_seq + 1))
        return sum(self._mend_room(room_id, sorted(seqs)[-DEPTH:]) for room_id, seqs in counted.items())

    def _mend_room(self, room_id: str, seqs: Sequence[int]) -> int:
        found = self._store.get_many(Kind.MESSAGE, [message_key(room_id, seq) for seq in seqs])
        absent = [seq for seq in seqs if not _is_message(found.get(message_key(room_id, seq)))]
        absent = [seq for seq in absent if seq not in self._numbers.removed_of(room_id)] if absent else []
        if absent:
            waiting = self._waiting(room_id, absent)
            # Stored between the two looks: one more look tells.
            again = self._store.get_many(Kind.MESSAGE, [message_key(room_id, seq) for seq in absent])
            absent = [
                seq
                for seq in absent
                if seq not in waiting and not _is_message(again.get(message_key(room_id, seq)))
            ]
        if not absent:
            return 0
        self._locate(room_id)
        return self._numbers.remove(room_id, absent) or 0

    def _wrong(self, user_ids: Iterable[str], rooms: Mapping[str, Sequence[str]]) -> dict[str, Cached]:
        """Return the counters of those users that say something else than positions do."""
        wrong = {}
        for user_id in user_ids:
            total, cached = self._counters.read(user_id, rooms[user_id])
            found = self._unread.of((room_id, user_id) for room_id in rooms[user_id])
            counts = {room_id: standing.unread for (room_id, _), standing in found.items()}
            is_total_wrong = total is not None and total != sum(counts.values())
            if is_total_wrong or any(counts[room_id] != count for room_id, count in cached.items()):
                wrong[user_id] = total, cached
        return wrong


def _is_message(document: object) -> bool:
    body = getattr(document, "body", None)
    return body is not None and _stored.decode(body).deleted_at is None
