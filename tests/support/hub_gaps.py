"""How long gevent's hub stands still while others use a Couchbase store; run under gevent by `gevent_run`."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import gevent

from chat.errors import ChatError, StoreUnavailable
from chat.store.base import Insert, Kind, Raise, Store, Unavailable, Write
from chat.store.couchbase.adapter import CouchbaseStore
from chat.store.couchbase.connection import Connection
from chat.store.couchbase.session import Timeouts, open_session
from chat.store.offloaded import OffloadedStore
from config.couchbase_url import read_couchbase
from config.durability import StoreDurability
from tests.support.turns import Turns
from tests.support.wait import eventually

TICK_S = 0.001
PAUSE_S, PAUSE_AFTER_FAULT_S = 0.01, 0.1  # of a caller: so much load there is
CALLERS = 8  # of each store, as many as there are threads for
REOPEN_AFTER_S = 1.0  # sooner than in the product, so that a short test sees it


class Ticking:
    """Notes how late the hub is for a greenlet that wants to run every millisecond."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self.ticks = 0
        self._greenlet = gevent.spawn(self._tick)

    def stop(self) -> None:
        self._greenlet.kill()

    def _tick(self) -> None:
        turns = Turns(os.getpid(), threading.get_native_id())
        while True:
            taken_s = turns.timed(lambda: gevent.sleep(TICK_S))  # what it takes longer is measured
            self.longest_s = max(self.longest_s, taken_s - TICK_S)
            self.ticks += 1


class Callers:
    """Greenlets that use the store all the time, in every way; `ends` counts how their calls ended."""

    def __init__(self, store: Store) -> None:
        self.ends: dict[str, int] = {}
        self._is_over = False
        self._greenlets = [gevent.spawn(self._go_on, store, number) for number in range(CALLERS)]

    def stop(self) -> None:
        self._is_over = True
        gevent.joinall(self._greenlets)

    def _go_on(self, store: Store, number: int) -> None:
        calls = _calls(store, number)
        while not self._is_over:
            try:
                next(calls)()
                end = "done"
            except ChatError as exc:
                end = "StoreUnavailable" if isinstance(exc, StoreUnavailable) else type(exc).__name__
            self.ends[end] = self.ends.get(end, 0) + 1
            gevent.sleep(PAUSE_S if end == "done" else PAUSE_AFTER_FAULT_S)  # the pace of the calls


def while_frozen(url: str, mock_pid: int, seconds: float) -> dict[str, Any]:
    """Use a store whose nodes stand still for so long, and then go on."""
    with _measured(url) as (callers, told):
        _await_end(callers, "done")
        try:
            os.kill(mock_pid, signal.SIGSTOP)
            callers.ends.clear()
            gevent.sleep(seconds)  # the time that is measured
            told["meanwhile"] = dict(callers.ends)
        finally:
            os.kill(mock_pid, signal.SIGCONT)
        callers.ends.clear()
        _await_end(callers, "done")
    return told


def while_gone(url: str, mock_pid: int, seconds: float) -> dict[str, Any]:
    """Use a store whose nodes are killed, for so long."""
    with _measured(url) as (callers, told):
        _await_end(callers, "done")
        os.kill(mock_pid, signal.SIGKILL)
        callers.ends.clear()
        gevent.sleep(seconds)  # the time that is measured
        told["meanwhile"] = dict(callers.ends)
    return told


def while_connecting(urls: Sequence[str], seconds: float) -> dict[str, Any]:
    """Use stores that are connected to for the first time, or in vain; `ends` is a list, one for each store."""
    with _measured(urls[0]) as (callers, told):
        others = [Callers(OffloadedStore(_open(url))) for url in urls[1:]]
        gevent.sleep(seconds)  # the time that is measured
        for each in others:
            each.stop()
    return told | {"ends": [callers.ends, *(each.ends for each in others)]}


@contextmanager
def _measured(url: str) -> Iterator[tuple[Callers, dict[str, Any]]]:
    gevent.get_hub().threadpool.apply(time.monotonic)  # what a first use costs is not the store's doing
    told: dict[str, Any] = {}
    ticking = Ticking()
    store = OffloadedStore(_open(url))
    callers = Callers(store)
    try:
        yield callers, told
    finally:
        callers.stop()
        store.close()
        ticking.stop()
    told |= {
        "longest_ms": ticking.longest_s * 1000,
        "ticks": ticking.ticks,
        "ends": callers.ends,
    }


def _write(store: Store, writes: Sequence[Write]) -> None:
    if any(isinstance(outcome, Unavailable) for outcome in store.write_many(writes)):
        raise StoreUnavailable("write_many")


def _await_end(callers: Callers, end: str) -> None:
    eventually(lambda: callers.ends.get(end), 20)


def _open(url: str) -> Store:
    address, timeouts = read_couchbase(url), Timeouts()
    open_ = partial(open_session, address, StoreDurability.AUTO, timeouts)
    return CouchbaseStore(address, timeouts=timeouts, connection=Connection(open_, reopen_after_s=REOPEN_AFTER_S))


def _calls(store: Store, number: int) -> Iterator[Callable[[], object]]:
    room = f"hub-{os.getpid()}-{number}"
    body = b'{"last_seq":0,"text":"%b"}' % (b"x" * 2000)
    count = 0
    while True:
        keys = [f"{room}:{count + each}" for each in range(50)]
        yield partial(store.ping)
        yield partial(store.insert, Kind.ROOM, f"{room}:{count}", body)
        yield partial(store.update_paths, Kind.ROOM, f"{room}:0", sets={("text",): count})
        inserts = [Insert(Kind.MESSAGE, key, body) for key in keys]
        yield partial(_write, store, [*inserts, Raise(Kind.ROOM, f"{room}:0", "last_seq", count + 1)])
        yield partial(store.get_many, Kind.MESSAGE, keys)
        count += 50
