"""Numbers of a room that stand for no message any more, retracted or deleted, so that nobody counts them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from chat.errors import DocumentExists, DocumentMissing
from chat.model.cursor import BLOCK, RemovedRecord, removed_key
from chat.store.base import Kind, Store

_removed = msgspec.json.Decoder(RemovedRecord)


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
