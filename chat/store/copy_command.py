"""`python -m chat.store copy`: a bar while it goes on, and what came of each kind of document."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import click

from chat.store.base import Kind
from chat.store.copy import Advance, Side, Tally, compare_kind, copy_kind, patiently
from chat.store.listing import Listing
from chat.store.sqlite_listing import sqlite_listing
from chat.store.url import open_store
from config.couchbase_url import CouchbaseAddress
from config.durability import StoreDurability
from config.env import SettingError
from config.urls import read_store

ENVIRONMENT = "env:"  # a password in a variable is in no list of processes
FIRST_PAUSES_S = (0.5, 0.5)  # a busy machine may take longer to connect than one call of the store waits
SHOWN_KEYS = 5  # of documents that were not copied

Sides = Mapping[Kind, tuple[Side, Side]]


def copy_all(source: str, target: str, durability: StoreDurability, *, may_overwrite: bool = False) -> int:
    """Copy every document and compare the stores; 1 when they are not the same in the end.

    Raises: SettingError, StoreUnavailable.
    """
    from_url, to_url = _address("FROM", source), _address("TO", target)
    from_place, to_place = _place("FROM", from_url), _place("TO", to_url)
    if from_place == to_place:
        raise SettingError("TO", "is the same store as FROM", "name another")
    with (
        _open_listing(from_place) as listing,
        closing(open_store(from_url, durability)) as from_,
        closing(open_store(to_url, durability)) as to,
    ):
        patiently(to.ping, FIRST_PAUSES_S)  # before a long count
        counts = {kind: listing.count(kind) for kind in Kind}
        with _bar("copying", counts) as advance:
            tallies = {
                kind: copy_kind(kind, listing, from_, to, advance, may_overwrite=may_overwrite) for kind in Kind
            }
        with _bar("comparing", counts) as advance:
            sides = {kind: compare_kind(kind, listing, from_, to, advance) for kind in Kind}
    return _report(tallies, sides)


def _address(name: str, text: str) -> str:
    if not text.startswith(ENVIRONMENT):
        return text
    variable = text.removeprefix(ENVIRONMENT)
    url = os.environ.get(variable)
    if not url:
        raise SettingError(name, f"names the variable {variable}, which is not set", "set it to an address")
    return url


def _place(name: str, url: str) -> Path | CouchbaseAddress:
    place = read_store(name, url)
    return place if isinstance(place, CouchbaseAddress) else place.resolve()


def _open_listing(place: Path | CouchbaseAddress) -> AbstractContextManager[Listing]:
    if not isinstance(place, CouchbaseAddress):
        return sqlite_listing(place)
    from chat.store.couchbase.listing import couchbase_listing  # the SDK: only where it is used

    return couchbase_listing(place)


@contextmanager
def _bar(label: str, counts: Mapping[Kind, int]) -> Iterator[Advance]:
    with click.progressbar(length=sum(counts.values()), label=label, show_pos=True, file=sys.stderr) as bar:
        yield bar.update


def _report(tallies: Mapping[Kind, Tally], sides: Sides) -> int:
    for kind in Kind:
        print(_line(kind, tallies[kind], *sides[kind]))
        _tell_left(kind, "another body is in TO; look at them, or copy with --overwrite", tallies[kind].differing)
        for key, reason in tallies[kind].refused.items():
            _tell_left(kind, f"TO refuses it: {reason}", [key])
    if all(one == other for one, other in sides.values()):
        print("the same documents are in both")
        return 0
    print("TO has not all documents of FROM as they are there", file=sys.stderr)
    return 1


def _line(kind: Kind, tally: Tally, source: Side, target: Side) -> str:
    done = f"{tally.written} copied, {tally.same} there already, {tally.overwritten} overwritten"
    if source == target:
        return f"{kind}: {done}; {source.count} in both, hash {source.digest[:16]}"
    return (
        f"{kind}: {done}; {source.count} in FROM, hash {source.digest[:16]},"
        f" {target.count} of them in TO, hash {target.digest[:16]}"
    )


def _tell_left(kind: Kind, why: str, keys: Sequence[str]) -> None:
    if keys:
        more = f" and {len(keys) - SHOWN_KEYS} more" if len(keys) > SHOWN_KEYS else ""
        print(f"{kind} {', '.join(map(ascii, keys[:SHOWN_KEYS]))}{more}: {why}", file=sys.stderr)
