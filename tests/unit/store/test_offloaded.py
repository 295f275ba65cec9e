"""A slow store holds up its caller and nobody else; a caller sees what it would see without the threads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

import gevent
import pytest
from gevent.monkey import get_original

from chat.errors import CasMismatch, DocumentMissing, StoreUnavailable
from chat.store.base import Document, Insert, JsonPath, Kind, Outcome, Unavailable, Write, Written
from chat.store.offloaded import OffloadedStore
from tests.support.greenlets import turn_until

really_sleep = get_original("time", "sleep")
SLOW_S = 0.2


class SlowStore:
    """A store that blocks its native thread, as a driver in C does."""

    def __init__(self) -> None:
        self.round_trips = 0
        self.running = 0
        self.most_running = 0
        self.calls: list[tuple[object, ...]] = []
        self.closed = 0

    @contextmanager
    def slowly(self, *call: object) -> Iterator[None]:
        self.round_trips += 1
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.calls.append(call)
        really_sleep(SLOW_S)  # of the thread, not of the greenlet: that is what is slow here
        self.running -= 1
        yield

    def ping(self) -> None:
        with self.slowly("ping"):
            if self.closed:
                raise StoreUnavailable("ping: the store is closed")

    def get(self, kind: Kind, key: str) -> Document | None:
        with self.slowly("get", kind, key):
            return Document(kind, key, b"{}", 1)

    def get_many(self, kind: Kind, keys: Iterable[str]) -> dict[str, Document]:
        with self.slowly("get_many", kind, list(keys)):
            return {}

    def insert(self, kind: Kind, key: str, body: bytes) -> int:
        with self.slowly("insert", kind, key, body):
            raise StoreUnavailable("insert") from OSError("no disk")

    def write_many(self, writes: Sequence[Write]) -> list[Outcome]:
        with self.slowly("write_many", writes):
            return [Written(1), Unavailable("later")]

    def replace(self, kind: Kind, key: str, body: bytes, cas: int) -> int:
        with self.slowly("replace", kind, key, body, cas):
            raise CasMismatch("changed")

    def update_paths(
        self,
        kind: Kind,
        key: str,
        *,
        sets: Mapping[JsonPath, object] = {},
        removes: Iterable[JsonPath] = (),
    ) -> int:
        with self.slowly("update_paths", kind, key, dict(sets), list(removes)):
            raise DocumentMissing("gone")

    def delete(self, kind: Kind, key: str) -> bool:
        with self.slowly("delete", kind, key):
            return True

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def slow() -> SlowStore:
    return SlowStore()


@pytest.fixture
def store(slow: SlowStore) -> Iterator[OffloadedStore]:
    with closing(OffloadedStore(slow)) as store:
        yield store


def test_other_greenlets_go_on_when_the_store_is_slow(store: OffloadedStore) -> None:
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        while True:
            gevent.sleep(0.005)  # how often it gets its turn is what is counted
            ticks += 1

    ticker = gevent.spawn(tick)
    store.ping()
    ticker.kill()
    assert ticks >= 10  # 40 fit into the call, none when it holds up the loop


def test_calls_run_side_by_side_up_to_the_pool_size_when_many_come(slow: SlowStore) -> None:
    with closing(OffloadedStore(slow, pool_size=3)) as store:
        gevent.joinall([gevent.spawn(store.ping) for _ in range(6)], raise_error=True)
        assert slow.most_running == 3
        assert store.round_trips == 6


def test_who_gets_no_turn_in_time_is_told_so_when_the_store_hangs(slow: SlowStore) -> None:
    with closing(OffloadedStore(slow, pool_size=1, wait_s=SLOW_S / 4)) as store:
        first = gevent.spawn(store.get, Kind.ROOM, "r")
        turn_until(lambda: slow.running)
        with pytest.raises(StoreUnavailable, match=r"get.*too many wait"):
            store.get(Kind.ROOM, "r")
        [outcome] = store.write_many([Insert(Kind.ROOM, "r", b"{}")])
        assert isinstance(outcome, Unavailable)
        assert first.get() is not None
        assert store.get(Kind.ROOM, "r") is not None
        assert [call[0] for call in slow.calls] == ["get", "get"]


def test_arguments_and_answers_come_through_when_a_call_is_offloaded(
    store: OffloadedStore, slow: SlowStore
) -> None:
    assert store.get(Kind.ROOM, "r") == Document(Kind.ROOM, "r", b"{}", 1)
    assert store.get_many(Kind.ROOM, iter(["r", "s"])) == {}
    assert store.write_many([]) == [Written(1), Unavailable("later")]
    assert store.delete(Kind.ROOM, "r") is True
    assert slow.calls == [
        ("get", Kind.ROOM, "r"),
        ("get_many", Kind.ROOM, ["r", "s"]),
        ("write_many", []),
        ("delete", Kind.ROOM, "r"),
    ]


def test_errors_keep_their_types_and_causes_when_a_call_fails(
    store: OffloadedStore, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CasMismatch):
        store.replace(Kind.ROOM, "r", b"{}", 1)
    with pytest.raises(DocumentMissing):
        store.update_paths(Kind.ROOM, "r", sets={("a",): 1}, removes=[("b",)])
    with pytest.raises(StoreUnavailable) as caught:
        store.insert(Kind.ROOM, "r", b"{}")
    assert isinstance(caught.value.__cause__, OSError)
    assert capfd.readouterr().err == ""  # gevent would print a traceback for each


def test_calls_under_way_and_waiting_end_when_the_store_is_closed(slow: SlowStore) -> None:
    store = OffloadedStore(slow, pool_size=1)
    calls = [gevent.spawn(store.get, Kind.ROOM, "r") for _ in range(3)]
    turn_until(lambda: slow.running)
    store.close()
    store.close()
    assert len(gevent.joinall(calls, timeout=30)) == 3
    assert all(call.successful() for call in calls)
    assert slow.closed == 1
    with pytest.raises(StoreUnavailable):
        store.ping()


def test_caller_gets_its_timeout_when_the_store_hangs(store: OffloadedStore) -> None:
    with pytest.raises(gevent.Timeout), gevent.Timeout(SLOW_S / 10):
        store.ping()
    assert store.delete(Kind.ROOM, "r") is True
