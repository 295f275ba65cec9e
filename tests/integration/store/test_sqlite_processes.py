"""What only SQLite does: processes on one file, forks, gevent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.sqlite_file import DEADLINE_S, ROOT, execute, run

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
