"""Time that a thread really took: without that for which the system gave its processor to other programs."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


class Turns:
    """Reads how long threads were ready to run and did not (`/proc`, in ns), each named by its process and id.

    A thread of Python also waits for whoever of its process holds the interpreter's lock, and while that one is
    kept from its processor too: so the longest such wait among the others counts beside the thread's own.
    """

    def __init__(self, *threads: int) -> None:
        self._threads = list(zip(threads[::2], map(str, threads[1::2]), strict=True))

    def timed(self, act: Callable[[], object]) -> float:
        """Do this, and return how many seconds it took that nobody else is to blame for, reading included."""
        start = time.monotonic()  # the lock may be held while this reads too
        queued = [_queued_ns(pid) for pid, _ in self._threads]
        act()
        kept_s = sum(map(self._kept_s, self._threads, queued))
        return time.monotonic() - start - kept_s

    def _kept_s(self, thread: tuple[int, str], queued: dict[str, int]) -> float:
        pid, thread_id = thread
        waited = {each: now - queued.get(each, 0) for each, now in _queued_ns(pid).items()}
        return (waited.pop(thread_id) + max(waited.values(), default=0)) / 1e9


def _queued_ns(pid: int) -> dict[str, int]:
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # it has just ended
            found[task.name] = int((task / "schedstat").read_bytes().split()[1])
    return found
