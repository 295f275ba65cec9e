"""Moving every document from one store to another, so that being killed anywhere costs nothing but time.

What is there already with the same body counts as copied, so a run after a killed one only reads what that one
wrote. In the end both stores are read again and compared.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TypeVar

from chat.errors import CasMismatch, DocumentExists, DocumentMissing, StoreMisconfigured, StoreUnavailable
from chat.store.base import Document, Exists, Insert, Kind, Outcome, Refused, Store, Unavailable
from chat.store.listing import Listing

T = TypeVar("T")
Advance = Callable[[int], object]  # hears how many more documents are done

BATCH = 200  # documents under way at once
PAUSES_S = (0.25, 0.5, 1, 2, 4, 8, 8)  # between the tries of a batch in an outage: some 25 s, and its timeouts


@dataclass(slots=True)
class Tally:
    """What became of the documents of one kind."""

    written: int = 0
    same: int = 0  # there already
    overwritten: int = 0
    differing: list[str] = field(default_factory=list)  # keys of another body there, left alone
    refused: dict[str, str] = field(default_factory=dict)  # by key, why the store will never take it


@dataclass(frozen=True, slots=True)
class Side:
    """How many of the documents a store has, and the hash of all of them."""

    count: int
    digest: str


def copy_kind(
    kind: Kind, listing: Listing, source: Store, target: Store, advance: Advance, *, may_overwrite: bool = False
) -> Tally:
    """Copy the documents of a kind; raises StoreUnavailable when a store stays away, with nothing to undo."""
    tally = Tally()
    for keys in _batches(listing.keys(kind)):
        found = patiently(partial(source.get_many, kind, keys))
        there = patiently(partial(target.get_many, kind, keys))
        for document, outcome in _insert_all(target, found.values(), there):
            _count(tally, document, outcome, target, may_overwrite)
        advance(len(keys))
    return tally


def compare_kind(kind: Kind, listing: Listing, source: Store, target: Store, advance: Advance) -> tuple[Side, Side]:
    """Read the documents of a kind from both stores; they are the same when the two sides are equal."""
    sums = (Digest(), Digest())
    for keys in _batches(listing.keys(kind)):
        for digest, store in zip(sums, (source, target), strict=True):
            digest.add(patiently(partial(store.get_many, kind, keys)).values())
        advance(len(keys))
    return sums[0].side(), sums[1].side()


def patiently(call: Callable[[], T], pauses_s: Sequence[float] | None = None) -> T:
    """Call until it is no outage, as often as there are pauses and once more; raises StoreUnavailable."""
    for pause_s in PAUSES_S if pauses_s is None else pauses_s:
        try:
            return call()
        except StoreMisconfigured:
            raise
        except StoreUnavailable:
            time.sleep(pause_s)
    return call()


class Digest:
    """A hash over documents in whatever order they come: the sum of the hashes of each."""

    def __init__(self) -> None:
        self._count = 0
        self._sum = 0

    def add(self, documents: Iterable[Document]) -> None:
        """Take these in too."""
        for each in documents:
            key = each.key.encode()
            named = hashlib.sha256(len(key).to_bytes(4) + key + each.body)
            self._sum = (self._sum + int.from_bytes(named.digest())) % 2**256
            self._count += 1

    def side(self) -> Side:
        """Return what came in so far."""
        return Side(self._count, f"{self._sum:064x}")


def _batches(keys: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(keys, BATCH)):
        yield batch


def _insert_all(
    target: Store, found: Collection[Document], there: Mapping[str, Document]
) -> Iterator[tuple[Document, Outcome]]:
    """Insert what is not there and yield each with its outcome; in an outage, try again for a while."""
    yield from ((each, Exists(there[each.key].body)) for each in found if each.key in there)
    documents = [each for each in found if each.key not in there]
    for pause_s in (*PAUSES_S, None):
        outcomes = target.write_many([Insert(each.kind, each.key, each.body) for each in documents])
        left: list[Document] = []
        for document, outcome in zip(documents, outcomes, strict=True):
            if not isinstance(outcome, Unavailable):
                yield document, outcome
                continue
            if outcome.is_misconfigured or pause_s is None:
                raise (StoreMisconfigured if outcome.is_misconfigured else StoreUnavailable)("copy", outcome.reason)
            left.append(document)
        if not left:
            return
        documents = left
        time.sleep(pause_s or 0)


def _count(tally: Tally, document: Document, outcome: Outcome, target: Store, may_overwrite: bool) -> None:
    match outcome:
        case Refused(reason):
            tally.refused[document.key] = reason
        case Exists(body) if body == document.body:
            tally.same += 1
        case Exists() if may_overwrite:
            patiently(partial(_overwrite, target, document))
            tally.overwritten += 1
        case Exists():
            tally.differing.append(document.key)
        case _:
            tally.written += 1


def _overwrite(target: Store, document: Document) -> None:
    while True:
        found = target.get(document.kind, document.key)
        try:
            if found is None:
                target.insert(document.kind, document.key, document.body)
            elif found.body != document.body:
                target.replace(document.kind, document.key, document.body, found.cas)
        except (CasMismatch, DocumentExists, DocumentMissing):
            continue  # somebody was faster: look again
        return
