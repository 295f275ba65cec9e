"""All keys of an SQLite file, while others read and write it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from chat.errors import StoreUnavailable
from chat.store.base import Kind
from chat.store.listing import Listing

PAGE = 1000  # keys for one look at the file: none holds up those who write to it


@contextmanager
def sqlite_listing(file: Path) -> Iterator[Listing]:
    """List a file that is there; one that is not is never made."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True)) as connection:
            yield SqliteListing(connection)
    except sqlite3.Error as exc:
        raise StoreUnavailable("list", f"{file}: {exc}") from exc


class SqliteListing:
    """The rows of a table per kind, a page at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        self._tables = {name for (name,) in rows}

    def keys(self, kind: Kind) -> Iterator[str]:
        last = ""  # no key is empty
        while page := self._page(kind, last):
            yield from page
            last = page[-1]

    def count(self, kind: Kind) -> int:
        if kind not in self._tables:
            return 0
        [(count,)] = self._connection.execute(f"SELECT COUNT(*) FROM {kind}").fetchall()
        return int(count)

    def _page(self, kind: Kind, last: str) -> list[str]:
        if kind not in self._tables:
            return []
        select = f"SELECT key FROM {kind} WHERE key > ? ORDER BY key LIMIT {PAGE}"
        return [key for (key,) in self._connection.execute(select, (last,)).fetchall()]
