"""Keep a blocking store off gevent's event loop: its calls run in native threads, other greenlets go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ParamSpec, TypeVar, cast

from gevent.threadpool import ThreadPool
from gevent.util import wrap_errors

from chat.store.base import Document, JsonPath, Kind, Outcome, Store, Write

P = ParamSpec("P")
T = TypeVar("T")


class OffloadedStore:
    """The same port as the store inside, for greenlets of the thread that made it.

    At most `pool_size` calls run at once, the others wait their turn. A greenlet that gives up waiting
    (gevent.Timeout) does not stop its call: it may or may not have happened.
    """

    def __init__(self, store: Store, pool_size: int = 8) -> None:
        self._store = store
        self._pool = ThreadPool(pool_size)
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
        return self._run(self._store.write_many, writes)

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
            self._offload(self._store.close)

    def _run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._is_closed:  # the closed store inside says so at once, and the threads are gone
            return call(*args, **kwargs)
        return self._offload(call, *args, **kwargs)

    def _offload(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self._calls_open += 1
        try:
            # gevent prints a traceback for what a thread raises, so errors come back as values
            result = self._pool.apply(wrap_errors(Exception, call), args, kwargs)
        finally:
            self._calls_open -= 1
            if self._is_closed and not self._calls_open:
                self._pool.kill()  # only now: a call still queued for a killed pool would wait for ever
        if isinstance(result, Exception):
            raise result
        return cast(T, result)
