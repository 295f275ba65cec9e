"""What the log was told lately, so that one lasting fault is not a line for each batch."""

from __future__ import annotations

import time
from collections.abc import Callable

AGAIN_AFTER_S = 60.0
LIMIT = 10_000  # remembered at once; then all is news again


class Told:
    """Remembers for a process what it has told of."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._told_at: dict[str, float] = {}

    def is_news(self, what: str) -> bool:
        """Return whether this was not told within the last minute, and take it for told now."""
        now = self._now()
        told_at = self._told_at.get(what)
        if told_at is not None and now - told_at < AGAIN_AFTER_S:
            return False
        if len(self._told_at) >= LIMIT:
            self._told_at.clear()
        self._told_at[what] = now
        return True
