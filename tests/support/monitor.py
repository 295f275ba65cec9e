"""What clients ask of a Redis, seen from beside: for what leaves no trace in its data."""

from __future__ import annotations

import time
from collections.abc import Callable

import redis


def await_commands(url: str, is_wanted: Callable[[str], bool], count: int, timeout_s: float = 30) -> None:
    """Return when `count` commands that are wanted have come since this was called.

    Raises: AssertionError, or redis.TimeoutError when nobody asks anything, after `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    with redis.Redis.from_url(url, socket_timeout=timeout_s) as client, client.monitor() as monitor:
        while count:
            assert time.monotonic() < deadline, f"{count} more did not come within {timeout_s} s"
            count -= is_wanted(monitor.next_command()["command"])
