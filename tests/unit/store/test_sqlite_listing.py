"""A listing of an SQLite file names every document of a kind once."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from chat.errors import StoreUnavailable
from chat.store import sqlite_listing as module
from chat.store.base import Insert, Kind
from chat.store.sqlite import SqliteStore
from chat.store.sqlite_listing import sqlite_listing


@pytest.mark.parametrize("count", [0, 1, module.PAGE, 2 * module.PAGE + 1])
def test_every_key_is_named_once_when_there_are_several_pages(tmp_path: Path, count: int) -> None:
    keys = {f"über {number} '%_" for number in range(count)}
    with closing(SqliteStore(tmp_path / "chat.db")) as store:
        store.write_many([Insert(Kind.ROOM, key, b"{}") for key in keys])
        store.insert(Kind.MEMBERS, "other", b"{}")
    with sqlite_listing(tmp_path / "chat.db") as listing:
        assert sorted(listing.keys(Kind.ROOM)) == sorted(keys)
        assert listing.count(Kind.ROOM) == count
        assert list(listing.keys(Kind.MEMBERS)) == ["other"]


def test_a_kind_is_empty_when_a_file_of_an_older_release_has_no_table_for_it(tmp_path: Path) -> None:
    (tmp_path / "old.db").touch()
    with sqlite_listing(tmp_path / "old.db") as listing:
        assert (list(listing.keys(Kind.ROOM)), listing.count(Kind.ROOM)) == ([], 0)


def test_nothing_is_made_when_the_file_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable), sqlite_listing(tmp_path / "none.db"):
        pass
    assert not (tmp_path / "none.db").exists()
