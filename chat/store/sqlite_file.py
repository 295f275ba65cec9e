"""One SQLite file and the connections to it: lent for a call, kept when they are sound, gone before a fork."""

from __future__ import annotations

import os
import sqlite3
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from chat.errors import DocumentRefused, StoreUnavailable

# What SQLite says of the data; every other sqlite3.Error speaks of the database and counts as an outage.
REFUSALS = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError)

_WAL_RETRY_S = 0.01


class SqliteFile:
    """Lends connections to a file, which is made (with its folder and tables) at the first call.

    Free connections wait in a deque, whose append and pop are atomic: no lock and no thread-local, because
    callers are native threads of a process that gevent has patched.

    A fork must not copy an open connection: SQLite's own table of locks would go with it, and the child would
    believe in locks that it does not have (sqlite.org/howtocorrupt.html, 2.6). So free connections are closed
    before a fork, and a child that was forked in the middle of a call refuses to go on.
    """

    def __init__(self, path: Path | str, tables: Sequence[str], busy_timeout_s: float) -> None:
        """Take the file's place and the statements that make what is missing of it."""
        self._path = Path(path).absolute()
        self._tables = tables
        self._busy_timeout_s = busy_timeout_s
        self._free: deque[sqlite3.Connection] = deque()
        self._calls_open: set[object] = set()
        self._is_closed = False
        self._is_torn = False
        os.register_at_fork(
            before=_while_alive(self._close_free), after_in_child=_while_alive(self._look_after_fork)
        )

    def close(self) -> None:
        """Close what is free and lend nothing more."""
        self._is_closed = True
        self._close_free()

    @contextmanager
    def connection(self, action: str) -> Iterator[sqlite3.Connection]:
        """Lend a connection for one call; raises StoreUnavailable and DocumentRefused, naming the action."""
        call = object()
        self._calls_open.add(call)
        try:
            with self._lent(action) as connection:
                yield connection
        finally:
            self._calls_open.discard(call)

    @contextmanager
    def _lent(self, action: str) -> Iterator[sqlite3.Connection]:
        """Lend a connection, and close it instead of keeping it when the database failed."""
        connection = self._take(action)
        is_sound = True
        try:
            yield connection
        except REFUSALS as exc:
            raise DocumentRefused(f"{action}: {exc}") from exc
        except sqlite3.Error as exc:
            is_sound = False
            raise StoreUnavailable(f"{action}: {exc}") from exc
        finally:
            if is_sound and not self._is_closed:
                self._free.append(connection)
            else:
                connection.close()

    def _take(self, action: str) -> sqlite3.Connection:
        if self._is_closed:
            raise StoreUnavailable(f"{action}: the store is closed")
        if self._is_torn:
            raise StoreUnavailable(f"{action}: the process was forked while the store was in use")
        try:
            return self._free.pop()
        except IndexError:
            pass
        try:
            return open_connection(self._path, self._tables, self._busy_timeout_s)
        except (OSError, sqlite3.Error) as exc:
            hint = "" if os.access(self._path.parent, os.W_OK) else ", its folder can't be written"
            raise StoreUnavailable(f"{action}: can't open {self._path}: {exc}{hint}") from exc

    def _close_free(self) -> None:
        if self._is_torn:  # the connections are the parent's
            return
        while True:
            try:
                connection = self._free.pop()
            except IndexError:
                return
            connection.close()

    def _look_after_fork(self) -> None:
        # free ones are here when another thread gave them back in the instant before the fork
        self._is_torn = self._is_torn or bool(self._calls_open or self._free)


def _while_alive(method: Callable[[], None]) -> Callable[[], None]:
    """Make a callback of a method that does not keep its object alive."""
    reference = weakref.WeakMethod(method)

    def call() -> None:
        if alive := reference():
            alive()

    return call


def open_connection(path: Path, tables: Sequence[str], busy_timeout_s: float) -> sqlite3.Connection:
    """Open the file and make what is missing of it, while other processes may be doing the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous=FULL")
        _use_wal(connection, time.monotonic() + busy_timeout_s)
        for create in tables:
            connection.execute(create)
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection, deadline: float) -> None:
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as exc:
            # SQLite does not wait here by itself when several processes switch a new file at once
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(_WAL_RETRY_S)
