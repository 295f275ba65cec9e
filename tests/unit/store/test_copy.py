"""A copy takes over what is missing, leaves alone what differs, and knows in the end whether all is the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from chat.errors import StoreMisconfigured, StoreUnavailable
from chat.store import copy
from chat.store.base import Document, Insert, Kind, Outcome, Store, Unavailable, Write
from chat.store.copy import Digest, Tally, compare_kind, copy_kind
from chat.store.listing import Listing
from chat.store.sqlite import SqliteStore
from chat.store.sqlite_listing import sqlite_listing

ROOM = Kind.ROOM
COUNT = 3 * copy.BATCH + 7


def body(number: int) -> bytes:
    return b'{"number":%d}' % number


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Store]:
    with closing(SqliteStore(tmp_path / "from.db")) as store:
        store.write_many([Insert(ROOM, f"room{number}", body(number)) for number in range(COUNT)])
        yield store


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Store]:
    with closing(SqliteStore(tmp_path / "to.db")) as store:
        yield store


@pytest.fixture
def listing(source: Store, tmp_path: Path) -> Iterator[Listing]:
    with sqlite_listing(tmp_path / "from.db") as listing:
        yield listing


@pytest.fixture
def copied(listing, source, target):
    """Copy the rooms, in the way that is given."""

    def run(*, into: Store = target, may_overwrite: bool = False) -> Tally:
        return copy_kind(ROOM, listing, source, into, lambda _: None, may_overwrite=may_overwrite)

    return run


def is_same(listing: Listing, source: Store, target: Store) -> bool:
    one, other = compare_kind(ROOM, listing, source, target, lambda _: None)
    return one == other


class Outage:
    """A store that is away for its first calls."""

    def __init__(self, store: Store, calls: int, *, is_misconfigured: bool = False) -> None:
        self._store = store
        self._calls = calls
        self._is_misconfigured = is_misconfigured

    def get_many(self, kind: Kind, keys: Sequence[str]) -> dict[str, Document]:
        if self._is_away():
            raise StoreUnavailable("get_many")
        return self._store.get_many(kind, keys)

    def write_many(self, writes: Sequence[Write]) -> list[Outcome]:
        if self._is_away():  # the second half only
            half = len(writes) // 2
            away = Unavailable("away", is_misconfigured=self._is_misconfigured)
            return [*self._store.write_many(writes[:half]), *[away] * (len(writes) - half)]
        return self._store.write_many(writes)

    def _is_away(self) -> bool:
        self._calls -= 1
        return self._calls >= 0


@contextmanager
def patience(monkeypatch: pytest.MonkeyPatch, tries: int) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(copy, "PAUSES_S", (0,) * (tries - 1))
        yield


def test_every_document_is_there_when_it_was_copied(copied, listing, source, target):
    assert not is_same(listing, source, target)
    assert copied() == Tally(written=COUNT)
    assert is_same(listing, source, target)


def test_nothing_is_written_again_when_it_is_there(copied, target):
    copied()
    assert copied() == Tally(same=COUNT)


def test_only_the_rest_is_written_when_a_run_was_killed(copied, target):
    target.write_many([Insert(ROOM, f"room{number}", body(number)) for number in range(copy.BATCH + 3)])
    assert copied() == Tally(same=copy.BATCH + 3, written=COUNT - copy.BATCH - 3)


def test_a_document_is_left_alone_and_told_when_another_body_is_there(copied, listing, source, target):
    target.insert(ROOM, "room5", b'{"number":-1}')
    assert copied() == Tally(written=COUNT - 1, differing=["room5"])
    assert target.get(ROOM, "room5").body == b'{"number":-1}'
    assert not is_same(listing, source, target)


def test_a_document_is_replaced_when_one_says_so(copied, listing, source, target):
    target.insert(ROOM, "room5", b'{"number":-1}')
    assert copied(may_overwrite=True) == Tally(written=COUNT - 1, overwritten=1)
    assert is_same(listing, source, target)


def test_a_document_that_the_target_refuses_is_told_when_the_others_get_through(copied, target, tmp_path):
    target.ping()
    with closing(sqlite3.connect(tmp_path / "to.db")) as other:
        other.execute(
            "CREATE TRIGGER rule BEFORE INSERT ON room WHEN new.key = 'room7' BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    tally = copied()
    assert tally == Tally(written=COUNT - 1, refused={"room7": "no"})


@pytest.mark.parametrize("calls", [1, 2, 3])
def test_a_copy_goes_on_when_an_outage_ends_in_time(copied, listing, source, target, monkeypatch, calls):
    with patience(monkeypatch, 5):
        tally = copied(into=Outage(target, calls))
    assert tally == Tally(written=COUNT)
    assert is_same(listing, source, target)


def test_a_copy_stops_when_an_outage_does_not_end(copied, target, monkeypatch):
    with patience(monkeypatch, 3), pytest.raises(StoreUnavailable):
        copied(into=Outage(target, 1000))


def test_a_copy_stops_at_once_when_the_target_is_misconfigured(copied, target, monkeypatch):
    away = Outage(target, 1000, is_misconfigured=True)
    monkeypatch.setattr(away, "get_many", target.get_many)
    with pytest.raises(StoreMisconfigured):
        copied(into=away)


def test_hashes_are_equal_when_documents_come_in_another_order():
    documents = [Document(ROOM, f"r{number}", body(number), cas=number) for number in range(5)]
    one, other = Digest(), Digest()
    one.add(documents)
    other.add(reversed(documents))
    assert one.side() == other.side()


@pytest.mark.parametrize(("key", "body"), [("r", b'{"a":2}'), ("s", b'{"a":1}'), ("r{", b'"a":1}')])
def test_hashes_differ_when_a_key_or_a_body_does(key: str, body: bytes):
    one, other = Digest(), Digest()
    one.add([Document(ROOM, "r", b'{"a":1}', 1)])
    other.add([Document(ROOM, key, body, 1)])
    assert one.side() != other.side()
