"""When a connection is opened, by whom, how long anybody waits for it, and when it is opened anew."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from chat.errors import StoreMisconfigured, StoreUnavailable
from chat.store.couchbase.connection import Connection
from chat.store.couchbase.native import Background, native_lock
from tests.support.wait import eventually


class Opener:
    """Makes sessions; `fault` is raised instead while it is set."""

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.closed: list[int] = []
        self.fault: Exception | None = None
        self.gate = native_lock()
        self.tries = 0

    def __call__(self) -> Any:
        self.tries += 1
        with self.gate:
            if self.fault is not None:
                raise self.fault
            number = len(self.made)
            session = SimpleNamespace(cluster=SimpleNamespace(close=lambda: self.closed.append(number)), n=number)
            self.made.append(session)
            return session


def soon() -> float:
    return time.monotonic() + 10


def test_nothing_is_opened_before_the_first_call_and_then_once() -> None:
    opener = Opener()
    connection = Connection(opener)
    assert opener.tries == 0

    assert connection.session("get", soon()) is connection.session("get", soon())
    assert opener.tries == 1


def test_a_call_waits_no_longer_than_its_deadline_and_the_next_finds_it_open() -> None:
    opener = Opener()
    connection = Connection(opener)
    with opener.gate, pytest.raises(StoreUnavailable, match=r"\(get\): still connecting"):
        connection.session("get", time.monotonic() + 0.02)

    assert connection.session("get", soon()) is opener.made[0]
    assert opener.tries == 1


def test_the_fault_of_the_last_try_is_told_while_the_next_one_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.store.couchbase.connection.TRY_AGAIN_S", 0.0)
    opener = Opener()
    opener.fault = StoreUnavailable("connect", "nobody listens there")
    connection = Connection(opener)
    with pytest.raises(StoreUnavailable, match="nobody listens there"):
        connection.session("get", soon())
    with opener.gate, pytest.raises(StoreUnavailable, match="nobody listens there"):
        connection.session("get", time.monotonic() + 0.02)


@pytest.mark.parametrize("kind", [StoreUnavailable, StoreMisconfigured])
def test_a_fault_is_told_to_each_call_and_tried_again_after_a_while(
    kind: type[StoreUnavailable], monkeypatch: pytest.MonkeyPatch
) -> None:
    opener = Opener()
    opener.fault = kind("connect", "no such bucket")
    connection = Connection(opener)
    for action in ("get", "ping"):
        with pytest.raises(kind, match=rf"\({action}\): no such bucket"):
            connection.session(action, soon())
    assert opener.tries == 1

    opener.fault = None
    monkeypatch.setattr("chat.store.couchbase.connection.TRY_AGAIN_S", 0.0)
    assert connection.session("get", soon())


def test_a_fork_has_a_connection_of_its_own_and_leaves_its_parents_alone() -> None:
    opener = Opener()
    connection = Connection(opener)
    connection.session("get", soon())
    read, write = os.pipe()
    if os.fork() == 0:
        try:
            own: Any = connection.session("get", soon())
            connection.close()
            os.write(write, f"{own.n} {opener.closed}".encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as told:
        assert told.read() == "1 [1]"
    os.wait()
    assert opener.closed == []


def silent_for(connection: Connection, seconds: float, clock: Callable[[float], None]) -> None:
    connection.note_silence()
    clock(seconds)
    connection.note_silence()


def test_it_is_opened_anew_after_a_long_silence_and_the_old_one_serves_until_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opener = Opener()
    connection = Connection(opener, reopen_after_s=10)
    first = connection.session("get", soon())
    now = time.monotonic()
    monkeypatch.setattr("chat.store.couchbase.connection.time.monotonic", lambda: now)

    def go_on(seconds: float) -> None:
        nonlocal now
        now += seconds

    silent_for(connection, 9, go_on)
    connection.note_answer()
    silent_for(connection, 9, go_on)
    assert opener.tries == 1
    go_on(2)
    with opener.gate:
        connection.note_silence()
        connection.note_silence()
        assert connection.session("get", now + 10) is first
    eventually(lambda: opener.closed == [0])
    assert connection.session("get", now + 10) is opener.made[1]
    assert opener.tries == 2


def test_a_reopening_that_fails_leaves_the_old_session(monkeypatch: pytest.MonkeyPatch) -> None:
    opener = Opener()
    connection = Connection(opener, reopen_after_s=0)
    first = connection.session("get", soon())
    opener.fault = StoreUnavailable("connect", "down")
    connection.note_silence()
    connection.note_silence()
    eventually(lambda: opener.tries == 2)

    assert connection.session("get", soon()) is first
    assert opener.closed == []


def test_a_reopening_that_is_turned_away_ends_the_old_session_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.store.couchbase.connection.TRY_AGAIN_S", 0.0)
    opener = Opener()
    connection = Connection(opener, reopen_after_s=0)
    connection.session("get", soon())
    opener.fault = StoreMisconfigured("connect", "there is no such bucket")
    connection.note_silence()
    connection.note_silence()
    eventually(lambda: opener.closed == [0])

    with pytest.raises(StoreMisconfigured, match="there is no such bucket"):
        connection.session("get", soon())
    opener.fault = None  # mended
    assert connection.session("get", soon()) is opener.made[1]


def test_it_is_tried_again_when_the_last_try_was_over_before_anybody_looked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Quick(Background[Any]):
        """A thread that is scheduled at once, and done."""

        def __init__(self, call: Callable[[], Any]) -> None:
            super().__init__(call)
            self.join()

    monkeypatch.setattr("chat.store.couchbase.connection.Background", Quick)
    monkeypatch.setattr("chat.store.couchbase.connection.TRY_AGAIN_S", 0.0)
    opener = Opener()
    opener.fault = StoreMisconfigured("connect", "the certificate can't be read")
    connection = Connection(opener)
    with pytest.raises(StoreMisconfigured):
        connection.session("get", soon())
    opener.fault = None
    assert connection.session("get", soon()) is opener.made[0]


def test_a_closed_connection_opens_nothing() -> None:
    opener = Opener()
    connection = Connection(opener)
    connection.session("get", soon())
    connection.close()
    connection.close()

    assert opener.closed == [0]
    with pytest.raises(StoreUnavailable, match="the store is closed"):
        connection.session("get", soon())
