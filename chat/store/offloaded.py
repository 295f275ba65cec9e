"""Keep a blocking store off gevent's event loop: its calls run in native threads, other greenlets go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ParamSpec, TypeVar, cast

from gevent.lock import BoundedSemaphore
from gevent.threadpool import ThreadPool
from gevent.util import wrap_errors

from chat.errors import StoreUnavailable
from chat.store.base import Document, JsonPath, Kind, Outcome, Store, Unavailable, Write

P = ParamSpec("P")
T = TypeVar("T")
WAIT_S = 5.0  # for a turn: as long as a call itself may take


class OffloadedStore:
    """The same port as the store inside, for greenlets of the thread that made it.

    At most `pool_size` calls run at once. The others wait their turn, for `wait_s` at most: while the store hangs
    each call takes seconds, and a crowd that comes then would wait for minutes to hear so. A greenlet that gives
    up waiting (gevent.Timeout) does not stop its call: it may or may not have happened.
    """

    def __init__(self, store: Store, pool_size: int = 8, wait_s: float = WAIT_S) -> None:
        self._store = store
        self._pool = ThreadPool(pool_size)
        self._turns = BoundedSemaphore(pool_size)
        self._wait_s = wait_s
        self._calls_open = 0
        self._is_closed = False

    @property
    def round_trips(self) -> int:
        return self._store.round_trips

    def ping(self) -> None:
        self._run(self._store.ping)

    def get(self, kind: Kind, key: str) -> Document | None:
        return self._run(self._store.get, kind, key)

    def get_many(self, kind: Kind, keys: Iterable[str]) -> dict[str, Document]:
        return self._run(self._store.get_many, kind, list(keys))

    def insert(self, kind: Kind, key: str, body: bytes) -> int:
        return self._run(self._store.insert, kind, key, body)

    def write_many(self, writes: Sequence[Write]) -> list[Outcome]:
        try:
            return self._run(self._store.write_many, writes)
        except StoreUnavailable as exc:  # it got no turn: the store inside does not raise
            return [Unavailable(str(exc))] * len(writes)

    def replace(self, kind: Kind, key: str, body: bytes, cas: int) -> int:
        return self._run(self._store.replace, kind, key, body, cas)

    def update_paths(
        self,
        kind: Kind,
        key: str,
        *,
        sets: Mapping[JsonPath, object] = {},
        removes: Iterable[JsonPath] = (),
    ) -> int:
        return self._run(self._store.update_paths, kind, key, sets=sets, removes=list(removes))

    def delete(self, kind: Kind, key: str) -> bool:
        return self._run(self._store.delete, kind, key)

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            with self._open_call():
                self._offload(self._store.close)

    def _run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._is_closed:  # the closed store inside says so at once, and the threads are gone
            return call(*args, **kwargs)
        with self._open_call():
            if not self._turns.acquire(timeout=self._wait_s):
                raise StoreUnavailable(call.__name__, "too many wait for it")
            try:
                return self._offload(call, *args, **kwargs)
            finally:
                self._turns.release()

    def _offload(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        # gevent prints a traceback for what a thread raises, so errors come back as values
        result = self._pool.apply(wrap_errors(Exception, call), args, kwargs)
        if isinstance(result, Exception):
            raise result
        return cast(T, result)

    @contextmanager
    def _open_call(self) -> Iterator[None]:
        self._calls_open += 1
        try:
            yield
        finally:
            self._calls_open -= 1
            if self._is_closed and not self._calls_open:
                self._pool.kill()  # only now: a call still queued for a killed pool would wait for ever
