"""HTTP connections that wait for their client are bounded: one too many ends the one that waited longest.

A client's handshake or request is in within milliseconds, so that a flood of half requests pushes out its own,
and neither descriptors nor memory run out. A WebSocket has left the HTTP server and does not count.
"""

from __future__ import annotations

import resource
from typing import Protocol

MOST_WAITING = 1000  # about 15 KB each
DESCRIPTOR_SHARE = 4  # at most a quarter of the process's descriptors


def waiting_limit() -> int:
    """Return how many may wait in this process."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return MOST_WAITING
    return max(1, min(MOST_WAITING, descriptors // DESCRIPTOR_SHARE))


class Waiter(Protocol):
    """Who waits for a client's bytes, or for it to take ours."""

    def give_up(self) -> None:
        """End the connection; the greenlet that waits finds out by itself."""


class Waiting:
    """Those that wait, the longest first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._everyone: dict[Waiter, None] = {}

    def __len__(self) -> int:
        return len(self._everyone)

    def enter(self, waiter: Waiter) -> None:
        """Let one more wait, in place of the first when there are too many."""
        if len(self._everyone) >= self._limit:
            first = next(iter(self._everyone))
            del self._everyone[first]
            first.give_up()
        self._everyone[waiter] = None

    def leave(self, waiter: Waiter) -> None:
        """Forget one; nothing happens when it is not waiting."""
        self._everyone.pop(waiter, None)
