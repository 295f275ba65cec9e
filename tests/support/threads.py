"""Real threads that do the same thing at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable

AT_ONCE = 30
DEADLINE_S = 60


def at_once(count: int, run: Callable[[int], object]) -> list[object]:
    """Call `run(n)` in as many threads, started together; return the results, or what was raised."""
    barrier = threading.Barrier(count)
    results: list[object] = [None] * count

    def one(n: int) -> None:
        barrier.wait(DEADLINE_S)
        try:
            results[n] = run(n)
        except Exception as exc:
            results[n] = exc

    threads = [threading.Thread(target=one, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    if any(thread.is_alive() for thread in threads):
        raise AssertionError(f"not done within {DEADLINE_S} s")
    return results
