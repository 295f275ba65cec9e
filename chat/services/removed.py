"""Numbers of a room that stand for no message any more, retracted or deleted, so that nobody counts them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

import msgspec

from chat.errors import BrokerUnavailable, DocumentExists, DocumentMissing
from chat.model.cursor import BLOCK, RemovedRecord, removed_key
from chat.store.base import Kind, Store

TRIES = 3  # a cold room is warmed, and may be lost again
_removed = msgspec.json.Decoder(RemovedRecord)


class Numbers(Protocol):
    """The broker's removed numbers; `remove` answers None for a cold room."""

    def remove(self, room_id: str, seqs: Collection[int]) -> int | None: ...


class Removing:
    """Takes the numbers of deleted messages out of the count.

    `locate(room)` warms a room that Redis lost, `on_changed(room)` has its members' counters counted anew. The
    store is told by the `seen` task.
    """

    def __init__(
        self, numbers: Numbers, locate: Callable[[str], object], on_changed: Callable[[str], None]
    ) -> None:
        self._numbers = numbers
        self._locate = locate
        self._on_changed = on_changed

    def remove(self, room_id: str, seqs: Collection[int]) -> int:
        """Return how many of them were counted until now; safe to repeat.

        Raises: BrokerUnavailable, StoreUnavailable, RoomNotFound.
        """
        for _ in range(TRIES):
            removed = self._numbers.remove(room_id, seqs)
            if removed is not None:
                self._on_changed(room_id)
                return removed
            self._locate(room_id)
        raise BrokerUnavailable("remove numbers")


def read_removed(store: Store, room_id: str, last_seq: int) -> set[int]:
    """Return all that the store knows of in a room, in one round trip: one key per 10,000 numbers."""
    found = store.get_many(Kind.REMOVED, [removed_key(room_id, seq) for seq in range(0, last_seq + 1, BLOCK)])
    return {int(seq) for each in found.values() for seq in _removed.decode(each.body).seqs}


def store_removed(store: Store, removed: Iterable[tuple[str, int]]) -> None:
    """Write numbers down, as (room, seq); safe to repeat. Raises StoreUnavailable."""
    blocks: dict[str, list[int]] = defaultdict(list)
    for room_id, seq in removed:
        blocks[removed_key(room_id, seq)].append(seq)
    for key, seqs in blocks.items():
        _add(store, key, seqs)


def _add(store: Store, key: str, seqs: list[int]) -> None:
    sets: dict[tuple[str, ...], object] = {("seqs", str(seq)): 1 for seq in seqs}
    first = msgspec.json.encode(RemovedRecord({str(seq): 1 for seq in seqs}))
    try:
        store.update_paths(Kind.REMOVED, key, sets=sets)
    except DocumentMissing:
        try:
            store.insert(Kind.REMOVED, key, first)
        except DocumentExists:
            store.update_paths(Kind.REMOVED, key, sets=sets)
