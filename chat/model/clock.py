"""Wall-clock times as the wire shows them: RFC 3339, UTC, milliseconds."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now_ms() -> int:
    """Return the wall clock in ms since 1970."""
    return time.time_ns() // 1_000_000


@lru_cache(maxsize=4096)  # a flood has many messages in one millisecond
def rfc3339(ms: int) -> str:
    """Return a time as `2026-01-31T12:00:00.000Z`."""
    seconds, rest = divmod(ms, 1000)
    return f"{_second(seconds)}.{rest:03d}Z"


def ms_of(time_text: str) -> int:
    """Return the ms since 1970 of a time with its offset from UTC, such as rfc3339's; raises ValueError."""
    found = datetime.fromisoformat(time_text)
    if found.tzinfo is None:
        raise ValueError("it has no offset from UTC")
    return (found - EPOCH) // timedelta(milliseconds=1)


@lru_cache(maxsize=1024)  # a server formats many times of the same second
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
