"""The server's way to Couchbase: calls in native threads, and a hub that runs on whatever the cluster does."""

from __future__ import annotations

import time
from typing import Any

import gevent
import pytest

from chat.errors import StoreUnavailable
from chat.store.base import Insert, Kind, Raise
from chat.store.couchbase.adapter import CouchbaseStore
from chat.store.couchbase.session import Timeouts
from chat.store.offloaded import OffloadedStore
from config.couchbase_url import read_couchbase
from tests.support.couchbase_mock import CouchbaseMock
from tests.support.gevent_run import GeventRun, run_in_gevent
from tests.support.wait import eventually

ROOM, MESSAGE = Kind.ROOM, Kind.MESSAGE
LONGEST_STALL_S = 0.05
TICK_S = 0.002
pytestmark = pytest.mark.timeout(120)


WINDOW_S = 1.5  # longer than an operation takes to time out: whatever a call does to the hub, each window has it


class Pulse:
    """Ticks in the hub and remembers how late it was at most, in each window of time."""

    def __init__(self) -> None:
        self.longest_s: dict[int, float] = {}
        self._ticker = gevent.spawn(self._tick)

    def _tick(self) -> None:
        while True:
            begun = time.monotonic()
            gevent.sleep(TICK_S)  # how much longer it takes is what is measured
            late_s = time.monotonic() - begun - TICK_S
            window = int(begun / WINDOW_S)
            self.longest_s[window] = max(self.longest_s.get(window, 0.0), late_s)


def use_every_call(url: str) -> list[Any]:
    store = OffloadedStore(CouchbaseStore(read_couchbase(url)))
    eventually(lambda: is_open(store), 30)
    gevent.joinall([gevent.spawn(store.ping) for _ in range(20)], raise_error=True)
    cas = store.insert(ROOM, "r", b'{"n":1}')
    store.replace(ROOM, "r", b'{"n":2}', cas)
    store.update_paths(ROOM, "r", sets={("plain",): 1}, removes=[("not there",)])
    outcomes = store.write_many([*(Insert(MESSAGE, f"m{n}", b"{}") for n in range(50)), Raise(ROOM, "r", "n", 9)])
    found = store.get_many(MESSAGE, [f"m{n}" for n in range(50)])
    document = store.get(ROOM, "r")
    deleted = store.delete(ROOM, "r")
    store.close()
    assert document is not None
    return [len(outcomes), len(found), document.body.decode(), deleted]


def test_every_call_works_from_greenlets(couchbase_mock: CouchbaseMock) -> None:
    assert run_in_gevent(use_every_call, couchbase_mock.url) == [51, 50, '{"n":9,"plain":1}', True]


def is_open(store: OffloadedStore) -> bool:
    try:
        store.ping()
    except StoreUnavailable:
        return False
    return True


def hang(url: str, seconds: float) -> dict[str, Any]:
    """Have greenlets call a store that does not answer; return how the hub fared and what they heard."""
    store = OffloadedStore(CouchbaseStore(read_couchbase(url), timeouts=Timeouts(operation_s=1, call_s=2)))
    eventually(lambda: is_open(store), 30)
    print("open", flush=True)
    eventually(lambda: not is_open(store), 30)  # until it is frozen
    pulse, heard = Pulse(), []
    ends = time.monotonic() + seconds

    def call() -> None:
        while time.monotonic() < ends:
            try:
                store.insert(ROOM, f"r{time.monotonic()}", b"{}")
                heard.append("written")
            except StoreUnavailable:
                heard.append("unavailable")

    gevent.joinall([gevent.spawn(call) for _ in range(20)])
    whole = sorted(pulse.longest_s)[1:-1]
    return {"longest_s": [pulse.longest_s[window] for window in whole], "heard": sorted(set(heard))}


@pytest.mark.fault
def test_the_hub_runs_on_while_the_store_hangs(couchbase_mock: CouchbaseMock) -> None:
    with GeventRun(hang, couchbase_mock.url, 6) as run:
        assert run.first_line() == "open"
        with couchbase_mock.frozen():
            result = run.result()
    assert result["heard"] == ["unavailable"]
    # The best window: on a busy machine the others are late without any store.
    assert min(result["longest_s"]) < LONGEST_STALL_S, result
