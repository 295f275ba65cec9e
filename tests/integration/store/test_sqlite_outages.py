"""What only SQLite does when its file is broken, can't be made, has no room or is held."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from chat.errors import StoreUnavailable
from chat.store.base import Insert, Kind, Unavailable
from chat.store.sqlite import SqliteStore
from tests.support.sqlite_file import execute, run, types


def test_store_is_unavailable_when_the_file_is_no_database(path: Path) -> None:
    path.write_bytes(b"this is no database, and never was" * 200)
    with closing(SqliteStore(path)) as store:
        with pytest.raises(StoreUnavailable, match="not a database"):
            store.get(Kind.ROOM, "r")
        assert types(store.write_many([Insert(Kind.ROOM, "r", b"{}")])) == [Unavailable]
    assert path.read_bytes().startswith(b"this is no database")


def test_store_is_unavailable_when_a_page_is_broken(store: SqliteStore, path: Path) -> None:
    store.write_many([Insert(Kind.MESSAGE, f"m{n:04}", b'{"a":"%s"}' % (b"x" * 500)) for n in range(500)])
    store.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * (size // 4))
    with closing(SqliteStore(path)) as again, pytest.raises(StoreUnavailable, match="malformed"):
        again.get_many(Kind.MESSAGE, [f"m{n:04}" for n in range(500)])


def test_reason_names_the_folder_when_it_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with closing(SqliteStore(tmp_path / "file" / "chat.db")) as store:
        with pytest.raises(StoreUnavailable, match=r"ping: can't open .*/file/chat.db: .*'.*/file'"):
            store.ping()
        [outcome] = store.write_many([Insert(Kind.ROOM, "r", b"{}")])
        assert isinstance(outcome, Unavailable)
        assert "chat.db" in outcome.reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_reason_names_the_folder_when_it_can_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with (
        closing(SqliteStore(tmp_path / "chat.db")) as store,
        pytest.raises(StoreUnavailable, match="its folder can't be written"),
    ):
        store.ping()
    tmp_path.chmod(0o700)


NO_ROOM = """
import resource, signal, sys
from chat.store.base import Insert, Kind, Unavailable, Written
from chat.store.sqlite import SqliteStore

store = SqliteStore(sys.argv[1])
store.ping()
batch = [Insert(Kind.MESSAGE, f"m{n}", b'{"a":"%s"}' % (b"x" * 1000)) for n in range(500)]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
outcomes = store.write_many(batch)
assert {type(outcome) for outcome in outcomes} == {Unavailable}, outcomes[0]
assert store.get(Kind.MESSAGE, "m0") is None
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
outcomes = store.write_many(batch)
assert {type(outcome) for outcome in outcomes} == {Written}, outcomes[0]
"""


def test_batch_is_unavailable_and_written_later_when_there_is_no_room_on_the_disk(path: Path) -> None:
    run(NO_ROOM, path)
    assert execute(path, "SELECT count(*) FROM message") == [(500,)]


def open_files(path: Path) -> int:
    """Count this process's descriptors of the database file itself."""
    links = (entry.path for entry in os.scandir("/proc/self/fd"))
    return sum(os.path.realpath(link) == str(path.resolve()) for link in links)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_no_connection_is_left_behind_when_outages_repeat(store: SqliteStore, path: Path) -> None:
    before = open_files(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for _ in range(5):
            assert types(store.write_many([Insert(Kind.ROOM, "r", b"{}")])) == [Unavailable]
    store.ping()
    assert open_files(path) == before
    store.close()
    assert open_files(path) == 0


def test_reads_go_on_when_a_writer_holds_the_file(store: SqliteStore, path: Path) -> None:
    store.insert(Kind.ROOM, "r", b'{"a":1}')
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        other.execute("DELETE FROM room")
        store.ping()
        document = store.get(Kind.ROOM, "r")
    assert document is not None
    assert document.body == b'{"a":1}'
