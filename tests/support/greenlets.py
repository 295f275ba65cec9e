"""Waiting in a test that runs on gevent's loop without patching: for some turns, or until something is true."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import gevent

from tests.support.wait import eventually

T = TypeVar("T")
EVERY_S = 0.001


def turn() -> None:
    """Let gevent's loop go round, so that what is written is sent and what is spawned runs."""
    for _ in range(3):
        gevent.sleep(0)


def turn_until(check: Callable[[], T], timeout_s: float = 10) -> T:
    """Let gevent's loop run until `check()` is truthy, and return that; raises what `eventually` does."""
    return eventually(check, timeout_s, EVERY_S, gevent.sleep)
