"""What only SQLite does: rules of the database, broken files, processes on one file, forks, gevent."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chat.errors import DocumentRefused, StoreUnavailable
from chat.store.base import (
    Exists,
    Insert,
    Kind,
    Missing,
    Outcome,
    Raise,
    Refused,
    Unavailable,
    Write,
    Written,
)
from chat.store.sqlite import SqliteStore
from chat.store.sqlite_file import open_connection

ROOT = Path(__file__).parents[3]
DEADLINE_S = 60


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(path, busy_timeout_s=0.05)) as store:
        store.ping()
        yield store


def execute(path: Path, *statements: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            rows = connection.execute(statement).fetchall()
        return rows


def forbid(path: Path, action: str, when: str = "BEFORE INSERT", condition: str = "new.key LIKE 'bad%'") -> None:
    execute(path, f"CREATE TRIGGER rule {when} ON message WHEN {condition} BEGIN SELECT {action}; END")


def types(outcomes: list[Outcome]) -> list[type[Outcome]]:
    return [type(outcome) for outcome in outcomes]


def run(program: str, *args: object) -> str:
    """Run a program in a process of its own and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, args)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# Durability settings


def test_commits_reach_the_disk_when_a_connection_is_open(path: Path) -> None:
    with closing(open_connection(path, (), 1)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_operator_can_query_the_bodies_when_they_are_json(store: SqliteStore, path: Path) -> None:
    store.insert(Kind.ROOM, "r", b'{"name":"gr\xc3\xbcn"}')
    assert execute(path, "SELECT key, json_extract(body, '$.name') FROM room") == [("r", "grün")]


# Rules of the database


@pytest.mark.parametrize("when", ["BEFORE INSERT", "AFTER INSERT"])
@pytest.mark.parametrize("action", ["RAISE(ABORT, 'not that one')", "RAISE(FAIL, 'not that one')"])
def test_neighbours_are_written_when_a_rule_refuses_some(
    store: SqliteStore, path: Path, when: str, action: str
) -> None:
    store.insert(Kind.MESSAGE, "old", b'{"n":0}')
    store.insert(Kind.ROOM, "room", b'{"last":0}')
    forbid(path, action, when)
    batch: list[Write] = [Insert(Kind.MESSAGE, f"m{n}", b"{}") for n in range(50)]
    batch[10] = Insert(Kind.MESSAGE, "bad1", b"{}")
    batch[49] = Insert(Kind.MESSAGE, "bad2", b"{}")
    batch += [Insert(Kind.MESSAGE, "old", b"{}"), Raise(Kind.ROOM, "room", "last", 50)]
    before = store.round_trips
    outcomes = store.write_many([*batch, Raise(Kind.ROOM, "none", "last", 1)])
    assert store.round_trips == before + 1
    assert outcomes[10] == outcomes[49] == Refused("not that one")
    assert outcomes[50] == Exists(b'{"n":0}')
    assert outcomes[52] == Missing()
    assert types([*outcomes[:10], *outcomes[11:49], outcomes[51]]) == [Written] * 49
    written = {write.key for write in batch if write.kind == Kind.MESSAGE} - {"bad1", "bad2"}
    assert {key for (key,) in execute(path, "SELECT key FROM message")} == written
    room = store.get(Kind.ROOM, "room")
    assert room is not None
    assert room.body == b'{"last":50}'


def test_write_is_refused_when_a_trigger_leaves_it_out(store: SqliteStore, path: Path) -> None:
    forbid(path, "RAISE(IGNORE)")
    store.insert(Kind.MESSAGE, "m", b"{}")
    batch = [Insert(Kind.MESSAGE, key, b"{}") for key in ("m", "bad", "n")]
    assert types(store.write_many(batch)) == [Exists, Refused, Written]


def test_nothing_counts_as_written_when_a_rule_rolls_all_back(store: SqliteStore, path: Path) -> None:
    forbid(path, "RAISE(ROLLBACK, 'away with all')")
    batch = [Insert(Kind.MESSAGE, key, b"{}") for key in ("m", "bad", "n")]
    assert types(store.write_many(batch)) == [Unavailable] * 3
    assert execute(path, "SELECT key FROM message") == []


def test_single_writes_are_refused_when_a_rule_says_so(store: SqliteStore, path: Path) -> None:
    cas = store.insert(Kind.MESSAGE, "m", b"{}")
    forbid(path, "RAISE(ABORT, 'frozen')", "BEFORE UPDATE", "true")
    with pytest.raises(DocumentRefused, match="frozen"):
        store.replace(Kind.MESSAGE, "m", b"{}", cas)
    with pytest.raises(DocumentRefused, match="frozen"):
        store.update_paths(Kind.MESSAGE, "m", sets={("a",): 1})
    assert store.write_many([Raise(Kind.MESSAGE, "m", "a", 1)]) == [Refused("frozen")]
    execute(path, "DROP TRIGGER rule")
    assert store.replace(Kind.MESSAGE, "m", b"{}", cas)


# Outages


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


# Processes and threads

OPEN_ALL = """
import sys
from chat.store.base import Insert, Kind
from chat.store.sqlite import SqliteStore
folder, me = sys.argv[1:]
for line in sys.stdin:
    store = SqliteStore(f"{folder}/new/{line.strip()}.db")
    print(type(store.write_many([Insert(Kind.ROOM, me, b"{}")])[0]).__name__, flush=True)
    store.close()
"""


def test_all_get_in_when_processes_open_a_new_file_at_once(tmp_path: Path) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_ALL, str(tmp_path), str(me)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        for me in range(8)
    ]
    rounds = 12
    for n in range(rounds):
        for child in children:
            assert child.stdin is not None
            child.stdin.write(f"{n}\n")
            child.stdin.flush()
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "Written\n"
    for child in children:
        child.communicate(timeout=DEADLINE_S)
    for n in range(rounds):
        file = tmp_path / "new" / f"{n}.db"
        assert execute(file, "SELECT count(*) FROM room") == [(8,)]
        assert execute(file, "PRAGMA journal_mode") == [("wal",)]


FORK = """
import os, sys
from chat.store.base import Insert, Kind
from chat.store.sqlite import SqliteStore

path = os.path.realpath(sys.argv[1])
store = SqliteStore(path)
store.insert(Kind.ROOM, "before", b"{}")

def open_files():
    return sum(os.path.realpath(f"/proc/self/fd/{fd}") == path for fd in os.listdir("/proc/self/fd"))

children = []
for me in range(4):
    child = os.fork()
    if not child:
        for n in range(40):
            store.insert(Kind.ROOM, f"{me}.{n}", b"{}")
        assert store.get(Kind.ROOM, "before")
        assert open_files() == 1 or not os.path.isdir("/proc/self/fd"), open_files()
        if me % 2:
            store.close()
            sys.exit(0)  # with all that an interpreter does at its end
        os._exit(0)
    children.append(child)
    store.insert(Kind.ROOM, f"parent.{me}", b"{}")
store.close()
for child in children:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


def test_children_have_connections_of_their_own_when_a_process_forks(path: Path) -> None:
    run(FORK, path)
    assert execute(path, "SELECT count(*) FROM room") == [(165,)]
    assert execute(path, "PRAGMA integrity_check") == [("ok",)]


FORK_IN_A_CALL = """
import os, sqlite3, sys, threading
from chat.errors import StoreUnavailable
from chat.store.base import Kind
from chat.store.sqlite import SqliteStore

store = SqliteStore(sys.argv[1])
store.ping()
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("BEGIN EXCLUSIVE")
call = threading.Thread(target=store.insert, args=(Kind.ROOM, "r", b"{}"))
call.start()
while store.round_trips < 2:
    pass
child = os.fork()
if not child:
    try:
        store.ping()
    except StoreUnavailable as exc:
        print(exc, flush=True)
    store.close()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
other.close()
call.join()
assert store.get(Kind.ROOM, "r")
"""


def test_child_refuses_to_go_on_when_it_was_forked_in_the_middle_of_a_call(path: Path) -> None:
    assert "forked while the store was in use" in run(FORK_IN_A_CALL, path)
    assert execute(path, "SELECT key FROM room") == [("r",)]


GEVENT = """
import gevent.monkey
gevent.monkey.patch_all()
import os, sys, gevent
from chat.store.base import Insert, Kind
from chat.store.offloaded import OffloadedStore
from chat.store.sqlite import SqliteStore

def work():
    ticks = 0
    def tick():
        nonlocal ticks
        while True:
            gevent.sleep(0.001)  # how often it gets its turn is what is counted
            ticks += 1
    ticker = gevent.spawn(tick)
    store = OffloadedStore(SqliteStore(sys.argv[1]))
    me = os.getpid()
    calls = [gevent.spawn(store.insert, Kind.ROOM, f"{me}.{n}", b"{}") for n in range(200)]
    parts = [{(f"{me}.{n}",): n} for n in range(100)]
    calls += [gevent.spawn(store.update_paths, Kind.ROOM, "one", sets=part) for part in parts]
    gevent.joinall(calls, raise_error=True)
    assert store.round_trips == 300, store.round_trips
    store.close()
    ticker.kill()
    assert ticks > 10, ticks

store = OffloadedStore(SqliteStore(sys.argv[1]))
store.insert(Kind.ROOM, "one", b"{}")
child = os.fork()
work()
assert store.get(Kind.ROOM, "one")  # one that was made and used before the fork
store.close()
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


def test_all_writes_are_there_when_greenlets_of_two_patched_processes_write(path: Path) -> None:
    run(GEVENT, path)
    assert execute(path, "SELECT count(*) FROM room") == [(401,)]
    [(parts,)] = execute(path, "SELECT count(*) FROM json_each((SELECT body FROM room WHERE key = 'one'))")
    assert parts == 200
