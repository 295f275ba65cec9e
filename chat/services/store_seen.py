"""After a run here the store knows how far members have read, up to what it knows of the rooms themselves.

Before: marks raised cursors in Redis and noted that the store has to be told. However often a cursor was raised
since, it is written once. A worker that is killed leaves the notes as they were.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from chat.errors import StoreError
from chat.model.cursor import Cursor, parse_cursor
from chat.model.room import RoomRecord
from chat.services.cursors import Pair, store_cursors
from chat.services.removed import store_removed
from chat.store.base import Kind, Store

PER_SHARD = 64  # marks at once: a thousand cursors hold SQLite's one writer for some 50 ms
ROUNDS = 200  # of one run
_room = msgspec.json.Decoder(RoomRecord)
log = logging.getLogger(__name__)

Taken = Mapping[str, Mapping[str, str]]
Read = tuple[str, str, int]  # room, user, up to which number


class Marking(Protocol):
    """Marks of what has to be done; they stay until they are settled."""

    def take(self, limit: int) -> dict[str, dict[str, str]]: ...

    def settle(self, done: Mapping[str, Mapping[str, str]]) -> int: ...


class StoreSeen:
    """One run over all shards; several may run at a time.

    `on_read` hears of each batch of cursors once they are stored, and again when it raises or a worker is killed.
    """

    def __init__(
        self, marks: Marking, store: Store, on_read: Callable[[Sequence[Read]], object] = lambda _: None
    ) -> None:
        self._marks = marks
        self._store = store
        self._on_read = on_read

    def run(self) -> int:
        """Store until nothing waits that can be stored now; return how many marks were settled.

        Raises: BrokerUnavailable.
        """
        settled = 0
        for _ in range(ROUNDS):
            taken = self._marks.take(PER_SHARD)
            done = self._store_all(taken) if taken else {}
            news = self._marks.settle(done) if any(done.values()) else 0
            settled += news
            if not news or max(map(len, taken.values())) < PER_SHARD:
                break
        return settled

    def _store_all(self, taken: Taken) -> dict[str, dict[str, str]]:
        """Write what these marks say; return those that are done with."""
        fields = [field for marks in taken.values() for field in marks]
        try:
            done = self._store_removed(field for field in fields if " #" in field)
            values = {field: value for marks in taken.values() for field, value in marks.items()}
            done |= self._store_cursors({field: values[field] for field in fields if " #" not in field})
        except StoreError as exc:
            log.warning("seen-not-stored", extra={"error": str(exc), "action": "try again"})
            return {}
        return {
            name: {field: value for field, value in marks.items() if field in done} for name, marks in taken.items()
        }

    def _store_removed(self, fields: Iterable[str]) -> set[str]:
        named = list(fields)
        split = (field.split(" #") for field in named)
        store_removed(self._store, [(room_id, int(seq)) for room_id, seq in split])
        return set(named)

    def _store_cursors(self, marks: Mapping[str, str]) -> set[str]:
        wanted = {_pair(field): parse_cursor(value) for field, value in marks.items()}
        last = self._last_seqs({room_id for room_id, _ in wanted})
        capped = {pair: _capped(cursor, last[pair[0]]) for pair, cursor in wanted.items() if pair[0] in last}
        failed = store_cursors(self._store, capped)
        # What the store does not have yet may be lost, and its number given again: that is not read then. So
        # a cursor beyond stays marked until the message is stored. A room that is gone needs no cursor.
        done = {pair for pair in wanted if pair not in capped or wanted[pair] == capped[pair]}
        done -= failed.keys()
        if done:
            self._on_read([(*pair, wanted[pair].read_seq) for pair in done])
        return {f"{room_id} {user_id}" for room_id, user_id in done}

    def _last_seqs(self, room_ids: Collection[str]) -> dict[str, int]:
        found = self._store.get_many(Kind.ROOM, list(room_ids)) if room_ids else {}
        return {room_id: _room.decode(each.body).last_seq for room_id, each in found.items()}


def _pair(field: str) -> Pair:
    room_id, user_id = field.split(" ")
    return room_id, user_id


def _capped(cursor: Cursor, last_seq: int) -> Cursor:
    return Cursor(min(cursor.read_seq, last_seq), min(cursor.shown_seq, last_seq), cursor.seen_ms)
