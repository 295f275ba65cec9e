"""Documents in one SQLite file, for one machine: a call that returned is on the disk.

Write-ahead log with synchronous=FULL: readers never wait, there is one writer at a time over all processes,
and a batch costs one fsync.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

from chat.errors import CasMismatch, DocumentMissing, DocumentRefused, StoreUnavailable
from chat.store.base import (
    Document,
    Exists,
    Insert,
    JsonPath,
    Kind,
    Missing,
    Outcome,
    Raise,
    Refused,
    SetPaths,
    Unavailable,
    Write,
    Written,
    cas_of_insert,
    fault_of_document,
    fault_of_key,
    fault_of_write,
)
from chat.store.bodies import Unfit, changed, with_paths
from chat.store.sqlite_file import REFUSALS, SqliteFile

# How long a write waits for another process's. A caller that waits is a drain that renews no lease and gives
# nothing up, or a thread of the server's pool; the settler takes what was lost for gone after 8 s, and a drain
# must not store it after that.
BUSY_TIMEOUT_S = 5.0
_KEYS_PER_SELECT = 500  # under the 999 variables that older builds of SQLite allow

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
    """The store port on one SQLite file, which is made (with its folder) at the first call."""

    def __init__(self, path: Path | str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self.round_trips = 0
        self._file = SqliteFile(path, tuple(_CREATE.values()), busy_timeout_s)

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
        return cas_of_insert(kind, key, outcome)

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
            try:
                body = with_paths(found.body, sets, removes)
            except Unfit as exc:
                raise DocumentRefused(f"{kind} {key!r}: {exc}") from exc
            return _update(connection, found, body)

    def delete(self, kind: Kind, key: str) -> bool:
        if fault_of_key(key):
            return False
        with self._connection("delete") as connection, _transaction(connection):
            return connection.execute(_DELETE[kind], (key,)).rowcount > 0

    def close(self) -> None:
        self._file.close()

    def _write(self, action: str, writes: Sequence[Write]) -> list[Outcome]:
        faults = [fault_of_write(write) for write in writes]
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
            except REFUSALS:  # also a document that is there already
                with _transaction(connection):
                    return [_write_alone(connection, write, cas) for write in writes]

    @contextmanager
    def _connection(self, action: str) -> Iterator[sqlite3.Connection]:
        with self._file.connection(action) as connection:
            self.round_trips += 1  # exact: CPython does not switch threads within this line
            yield connection


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


def _write_in_runs(connection: sqlite3.Connection, writes: Sequence[Write], cas: int) -> list[Outcome]:
    """Write neighbours of one sort in one statement: the way for a batch in which all is new and allowed."""
    outcomes: list[Outcome] = []
    for (_, kind), run in groupby(writes, key=lambda write: (type(write), write.kind)):
        same = list(run)
        rows = [(write.key, write.body, cas) for write in same if isinstance(write, Insert)]
        connection.executemany(_INSERT[kind], rows)
        outcomes += [Written(cas)] * len(rows)
        outcomes += [_change(connection, write) for write in same if not isinstance(write, Insert)]
    return outcomes


def _write_alone(connection: sqlite3.Connection, write: Write, cas: int) -> Outcome:
    """Write under a savepoint, so that a refusal takes nothing else of the batch with it."""
    connection.execute("SAVEPOINT alone")
    try:
        return _insert(connection, write, cas) if isinstance(write, Insert) else _change(connection, write)
    except REFUSALS as exc:
        connection.execute("ROLLBACK TO alone")
        return Refused(str(exc))
    finally:
        connection.execute("RELEASE alone")


def _insert(connection: sqlite3.Connection, write: Insert, cas: int) -> Outcome:
    if connection.execute(_INSERT_IF_NEW[write.kind], (write.key, write.body, cas)).rowcount:
        return Written(cas)
    found = _read(connection, write.kind, write.key)
    return Exists(found.body) if found else Refused("a trigger of the database left it out")


def _change(connection: sqlite3.Connection, write: Raise | SetPaths) -> Outcome:
    found = _read(connection, write.kind, write.key)
    if found is None:
        return Missing()
    try:
        body = changed(found.body, write)
    except Unfit as exc:
        return Refused(str(exc))
    return Written(found.cas if body is None else _update(connection, found, body))


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
