"""Documents in one SQLite file, for one machine: a call that returned is on the disk.

Write-ahead log with synchronous=FULL: readers never wait, there is one writer at a time over all processes,
and a batch costs one fsync.
"""

from __future__ import annotations

import os
import sqlite3
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from chat.errors import CasMismatch, DocumentExists, DocumentMissing, DocumentRefused, StoreUnavailable
from chat.store.base import (
    BODY_LIMIT_BYTES,
    Document,
    Exists,
    Insert,
    JsonPath,
    Kind,
    Missing,
    Outcome,
    Raise,
    Refused,
    Unavailable,
    Write,
    Written,
    fault_of_document,
    fault_of_key,
)

# What SQLite says of the data; every other sqlite3.Error speaks of the database and counts as an outage.
_REFUSALS = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError)

# How long a write waits for another process's. A caller that waits is a drain that renews no lease and gives
# nothing up, or a thread of the server's pool; the settler takes what was lost for gone after 8 s, and a drain
# must not store it after that.
BUSY_TIMEOUT_S = 5.0
_KEYS_PER_SELECT = 500  # under the 999 variables that older builds of SQLite allow
_WAL_RETRY_S = 0.01

_CREATE = {
    kind: f"CREATE TABLE IF NOT EXISTS {kind}"
    " (key TEXT PRIMARY KEY, body TEXT NOT NULL, cas INTEGER NOT NULL) WITHOUT ROWID"
    for kind in Kind
}
_INSERT = {kind: f"INSERT INTO {kind} (key, body, cas) VALUES (?, CAST(? AS TEXT), ?)" for kind in Kind}
_INSERT_IF_NEW = {kind: f"{insert} ON CONFLICT DO NOTHING" for kind, insert in _INSERT.items()}
_SELECT = {kind: f"SELECT key, CAST(body AS BLOB), cas FROM {kind} WHERE key IN" for kind in Kind}
_UPDATE = {kind: f"UPDATE {kind} SET body = CAST(? AS TEXT), cas = ? WHERE key = ?" for kind in Kind}
_DELETE = {kind: f"DELETE FROM {kind} WHERE key = ?" for kind in Kind}


class SqliteStore:
    """The store port on one SQLite file, which is made (with its folder) at the first call.

    Free connections wait in a deque, whose append and pop are atomic: no lock and no thread-local, because
    callers are native threads of a process that gevent has patched.

    A fork must not copy an open connection: SQLite's own table of locks would go with it, and the child would
    believe in locks that it does not have (sqlite.org/howtocorrupt.html, 2.6). So free connections are closed
    before a fork, and a child that was forked in the middle of a call refuses to go on.
    """

    def __init__(self, path: Path | str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self.round_trips = 0
        self._path = Path(path).absolute()
        self._busy_timeout_s = busy_timeout_s
        self._free: deque[sqlite3.Connection] = deque()
        self._calls_open: set[object] = set()
        self._is_closed = False
        self._is_torn = False
        os.register_at_fork(
            before=_while_alive(self._close_free), after_in_child=_while_alive(self._look_after_fork)
        )

    def ping(self) -> None:
        with self._connection("ping") as connection:
            _read(connection, Kind.ROOM, "ping")

    def get(self, kind: Kind, key: str) -> Document | None:
        with self._connection("get") as connection:
            return _read(connection, kind, key)

    def get_many(self, kind: Kind, keys: Iterable[str]) -> dict[str, Document]:
        wanted = [key for key in dict.fromkeys(keys) if fault_of_key(key) is None]
        if not wanted:
            return {}
        found: dict[str, Document] = {}
        with self._connection("get_many") as connection:
            for start in range(0, len(wanted), _KEYS_PER_SELECT):
                found |= _read_many(connection, kind, wanted[start : start + _KEYS_PER_SELECT])
        return found

    def insert(self, kind: Kind, key: str, body: bytes) -> int:
        [outcome] = self._write("insert", [Insert(kind, key, body)])
        match outcome:
            case Written(cas):
                return cas
            case Refused(reason):
                raise DocumentRefused(f"{kind} {key!r}: {reason}")
            case _:
                raise DocumentExists(f"{kind} {key!r} is there already")

    def write_many(self, writes: Sequence[Write]) -> list[Outcome]:
        try:
            return self._write("write_many", writes)
        except StoreUnavailable as exc:
            return [Unavailable(str(exc))] * len(writes)

    def replace(self, kind: Kind, key: str, body: bytes, cas: int) -> int:
        if fault := fault_of_document(key, body):
            raise DocumentRefused(f"{kind} {key!r}: {fault}")
        with self._connection("replace") as connection, _transaction(connection):
            found = _read_to_change(connection, kind, key)
            if found.cas != cas:
                raise CasMismatch(f"{kind} {key!r} changed since it was read")
            return _update(connection, found, body)

    def update_paths(
        self,
        kind: Kind,
        key: str,
        *,
        sets: Mapping[JsonPath, object] = {},
        removes: Iterable[JsonPath] = (),
    ) -> int:
        with self._connection("update_paths") as connection, _transaction(connection):
            found = _read_to_change(connection, kind, key)
            return _update(connection, found, _with_paths(found, sets, removes))

    def delete(self, kind: Kind, key: str) -> bool:
        if fault_of_key(key):
            return False
        with self._connection("delete") as connection, _transaction(connection):
            return connection.execute(_DELETE[kind], (key,)).rowcount > 0

    def close(self) -> None:
        self._is_closed = True
        self._close_free()

    def _write(self, action: str, writes: Sequence[Write]) -> list[Outcome]:
        faults = [_fault_of(write) for write in writes]
        sound = [write for write, fault in zip(writes, faults, strict=True) if fault is None]
        outcomes = iter(self._write_sound(action, sound))
        return [next(outcomes) if fault is None else Refused(fault) for fault in faults]

    def _write_sound(self, action: str, writes: Sequence[Write]) -> list[Outcome]:
        if not writes:
            return []
        cas = time.time_ns()  # so that a document inserted again after a delete has another one
        with self._connection(action) as connection:
            try:
                with _transaction(connection):
                    return _write_in_runs(connection, writes, cas)
            except _REFUSALS:  # also a document that is there already
                with _transaction(connection):
                    return [_write_alone(connection, write, cas) for write in writes]

    @contextmanager
    def _connection(self, action: str) -> Iterator[sqlite3.Connection]:
        call = object()
        self._calls_open.add(call)
        try:
            with self._lent(action) as connection:
                self.round_trips += 1  # exact: CPython does not switch threads within this line
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
        except _REFUSALS as exc:
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
            return open_connection(self._path, self._busy_timeout_s)
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


def open_connection(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    """Open the file and make what is missing of it, while other processes may be doing the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous=FULL")
        _use_wal(connection, time.monotonic() + busy_timeout_s)
        for create in _CREATE.values():
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


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _fault_of(write: Write) -> str | None:
    match write:
        case Insert(_, key, body):
            return fault_of_document(key, body)
        case Raise(_, key):
            return fault_of_key(key)


def _write_in_runs(connection: sqlite3.Connection, writes: Sequence[Write], cas: int) -> list[Outcome]:
    """Write neighbours of one sort in one statement: the way for a batch in which all is new and allowed."""
    outcomes: list[Outcome] = []
    for (_, kind), run in groupby(writes, key=lambda write: (type(write), write.kind)):
        same = list(run)
        rows = [(write.key, write.body, cas) for write in same if isinstance(write, Insert)]
        connection.executemany(_INSERT[kind], rows)
        outcomes += [Written(cas)] * len(rows)
        outcomes += [_raise(connection, write) for write in same if isinstance(write, Raise)]
    return outcomes


def _write_alone(connection: sqlite3.Connection, write: Write, cas: int) -> Outcome:
    """Write under a savepoint, so that a refusal takes nothing else of the batch with it."""
    connection.execute("SAVEPOINT alone")
    try:
        return _insert(connection, write, cas) if isinstance(write, Insert) else _raise(connection, write)
    except _REFUSALS as exc:
        connection.execute("ROLLBACK TO alone")
        return Refused(str(exc))
    finally:
        connection.execute("RELEASE alone")


def _insert(connection: sqlite3.Connection, write: Insert, cas: int) -> Outcome:
    if connection.execute(_INSERT_IF_NEW[write.kind], (write.key, write.body, cas)).rowcount:
        return Written(cas)
    found = _read(connection, write.kind, write.key)
    return Exists(found.body) if found else Refused("a trigger of the database left it out")


def _raise(connection: sqlite3.Connection, write: Raise) -> Outcome:
    found = _read(connection, write.kind, write.key)
    if found is None:
        return Missing()
    fields = _fields_of(found)
    value = fields.get(write.field)
    if type(value) is not int and write.field in fields:
        return Refused(f"{write.field} is not an integer")
    if value is not None and value >= write.value:
        return Written(found.cas)
    fields[write.field] = write.value
    return Written(_update(connection, found, msgspec.json.encode(fields)))


def _read(connection: sqlite3.Connection, kind: Kind, key: str) -> Document | None:
    return None if fault_of_key(key) else _read_many(connection, kind, [key]).get(key)


def _read_many(connection: sqlite3.Connection, kind: Kind, keys: Sequence[str]) -> dict[str, Document]:
    marks = ",".join("?" * len(keys))
    rows = connection.execute(f"{_SELECT[kind]} ({marks})", keys).fetchall()
    return {key: Document(kind, key, body, cas) for key, body, cas in rows}


def _read_to_change(connection: sqlite3.Connection, kind: Kind, key: str) -> Document:
    found = _read(connection, kind, key)
    if found is None:
        raise DocumentMissing(f"there is no {kind} {key!r}")
    return found


def _update(connection: sqlite3.Connection, found: Document, body: bytes) -> int:
    cas = found.cas + 1
    connection.execute(_UPDATE[found.kind], (body, cas, found.key))
    return cas


def _fields_of(document: Document) -> dict[str, Any]:
    return msgspec.json.decode(document.body, type=dict[str, Any])


def _with_paths(found: Document, sets: Mapping[JsonPath, object], removes: Iterable[JsonPath]) -> bytes:
    fields = _fields_of(found)
    try:
        for path in removes:
            _remove_path(fields, path)
        for path, value in sets.items():
            _set_path(fields, path, value)
        body = msgspec.json.encode(fields)
    except (TypeError, ValueError, RecursionError) as exc:
        raise DocumentRefused(f"{found.kind} {found.key!r}: {exc}") from exc
    if len(body) > BODY_LIMIT_BYTES:
        raise DocumentRefused(f"{found.kind} {found.key!r}: the body would have {len(body)} bytes")
    return body


def _set_path(fields: dict[str, Any], path: JsonPath, value: object) -> None:
    *parents, name = path
    for depth, parent in enumerate(parents, 1):
        fields = fields.setdefault(parent, {})
        if not isinstance(fields, dict):
            raise TypeError(f"{path[:depth]} is not an object")
    fields[name] = value


def _remove_path(fields: dict[str, Any], path: JsonPath) -> None:
    *parents, name = path
    inner: Any = fields
    for parent in parents:
        inner = inner.get(parent) if isinstance(inner, dict) else None
    if isinstance(inner, dict):
        inner.pop(name, None)
