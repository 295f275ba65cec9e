"""Waiting on a condition with a deadline, in place of a bare sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(
    check: Callable[[], T],
    timeout_s: float = 10,
    every_s: float = 0.02,
    pause: Callable[[float], object] = time.sleep,
) -> T:
    """Return the first truthy value of `check()`, which is asked again after each `pause`.

    Raises: AssertionError, naming the last value, when none came within `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not true within {timeout_s} s; the last value was {value!r}")
        pause(every_s)
