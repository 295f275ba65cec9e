"""Wall-clock times as the wire shows them: RFC 3339, UTC, milliseconds."""

from __future__ import annotations

import time
from functools import lru_cache


def now_ms() -> int:
    """Return the wall clock in ms since 1970."""
    return time.time_ns() // 1_000_000


@lru_cache(maxsize=4096)  # a flood has many messages in one millisecond
def rfc3339(ms: int) -> str:
    """Return a time as `2026-01-31T12:00:00.000Z`."""
    seconds, rest = divmod(ms, 1000)
    return f"{_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=1024)  # a server formats many times of the same second
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
