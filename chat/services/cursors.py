"""Cursors in the store: read by key, and raised, never lowered, in batches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from chat.model.cursor import Cursor, cursor_key
from chat.store.base import Exists, Insert, Kind, Missing, Outcome, Raise, Store, Unavailable

_cursor = msgspec.json.Decoder(Cursor)

Pair = tuple[str, str]  # room, user
Untaken = dict[Pair, str]  # and what an operator has to mend before, empty when time alone may do


def read_cursors(store: Store, pairs: Collection[Pair]) -> dict[Pair, Cursor]:
    """Return each pair's cursor, at 0 where there is none, in one round trip. Raises StoreUnavailable."""
    if not pairs:
        return {}
    by_key = {cursor_key(*pair): pair for pair in pairs}
    found = store.get_many(Kind.CURSOR, list(by_key))
    return {pair: _cursor.decode(found[key].body) if key in found else Cursor() for key, pair in by_key.items()}


def raises(pair: Pair, cursor: Cursor) -> list[Raise]:
    """Return the writes that raise a cursor which exists."""
    key = cursor_key(*pair)
    fields = (("read_seq", cursor.read_seq), ("shown_seq", cursor.shown_seq), ("seen_ms", cursor.seen_ms))
    return [Raise(Kind.CURSOR, key, field, value) for field, value in fields if value]


def store_cursors(store: Store, cursors: Mapping[Pair, Cursor]) -> Untaken:
    """Raise cursors, making those that are missing; return those that the store could not take now."""
    waiting = dict(cursors)
    failed: Untaken = {}
    unmade: Untaken = {}
    for _ in range(2):  # a second time for one that somebody else made in between
        missing, unavailable = _raise_all(store, waiting)
        failed |= unavailable
        unmade = insert_missing(store, waiting, missing)
        waiting = {pair: waiting[pair] for pair in unmade}
        if not waiting:
            break
    return failed | unmade


def insert_missing(store: Store, cursors: Mapping[Pair, Cursor], missing: Collection[Pair]) -> Untaken:
    """Make cursors that are missing; return those for which that did not happen."""
    if not missing:
        return {}
    pairs = list(missing)
    inserts = [Insert(Kind.CURSOR, cursor_key(*pair), msgspec.json.encode(cursors[pair])) for pair in pairs]
    told = list(zip(pairs, store.write_many(inserts), strict=True))
    return _untaken(told) | {pair: "" for pair, outcome in told if isinstance(outcome, Exists)}


def _raise_all(store: Store, cursors: Mapping[Pair, Cursor]) -> tuple[set[Pair], Untaken]:
    """Return the pairs that have no cursor, and those that the store could not take."""
    writes = [(pair, write) for pair, cursor in cursors.items() for write in raises(pair, cursor)]
    outcomes = store.write_many([write for _, write in writes])
    told = list(_told(writes, outcomes))
    missing = {pair for pair, outcome in told if isinstance(outcome, Missing)}
    return missing, _untaken(told)


def _untaken(told: Iterable[tuple[Pair, Outcome]]) -> Untaken:
    return {pair: outcome.to_mend for pair, outcome in told if isinstance(outcome, Unavailable)}


def _told(writes: Sequence[tuple[Pair, Raise]], outcomes: Sequence[Outcome]) -> Iterator[tuple[Pair, Outcome]]:
    for (pair, _), outcome in zip(writes, outcomes, strict=True):
        yield pair, outcome
