"""Threads and locks of the operating system, also where gevent has replaced those of the standard library.

The store's calls run in threads that gevent's hub does not know; a lock of gevent would wake a hub in them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, cast

from gevent.monkey import get_original

T = TypeVar("T")

_allocate_lock, _start_new_thread = get_original("_thread", ["allocate_lock", "start_new_thread"])
native_sleep: Callable[[float], None] = get_original("time", "sleep")


def native_lock() -> Any:
    """Return a lock as `_thread.allocate_lock` makes it."""
    return _allocate_lock()


class Background(Generic[T]):
    """A call that runs in a thread of its own; whoever wants its result waits as long as it likes."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._gate = native_lock()
        self._gate.acquire()
        self._result: T | None = None
        self._error: Exception | None = None
        _start_new_thread(self._run, ())

    @property
    def is_done(self) -> bool:
        """Whether there is a result or an error."""
        return not self._gate.locked()

    def wait(self, timeout_s: float) -> bool:
        """Return whether it ended within that time."""
        if not self._gate.acquire(timeout=max(timeout_s, 0)):
            return False
        self._gate.release()
        return True

    def join(self) -> None:
        """Wait for the end; the call has to have a bound of its own."""
        self._gate.acquire()
        self._gate.release()

    def result(self) -> T:
        """Return what the call that ended returned, or raise what it raised."""
        if self._error is not None:
            raise self._error
        return cast("T", self._result)

    def _run(self) -> None:
        try:
            self._result = self._call()
        except Exception as exc:
            self._error = exc
        finally:
            self._gate.release()


def all_at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Run the calls at the same time and return their results in order; the last one runs in this thread."""
    others = [Background(call) for call in calls[:-1]]
    last = [call() for call in calls[-1:]]
    for each in others:
        each.join()
    return [each.result() for each in others] + last
