"""A task does what is marked round after round until nothing is; woken once, however much is marked meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

from chat.broker.base import DrainLeasing

REST = 3  # times as long as a round took: Redis is there for messages first
LONGEST_PAUSE_S = 2.0  # less than the lease lives


def run_rounds(
    lease: DrainLeasing,
    do_round: Callable[[], bool],
    *,
    run_s: float,
    pause_s: float,
    sleep: Callable[[float], None],
) -> bool:
    """Do rounds until one finds nothing to do; return True when the time ran out first.

    Raises: what a round raises, and BrokerUnavailable.
    """
    ends_at = time.monotonic() + run_s
    lease.take()
    while time.monotonic() < ends_at:
        lease.hold()
        began_at = time.monotonic()
        if do_round():
            took_s = time.monotonic() - began_at
            sleep(min(max(pause_s, REST * took_s), LONGEST_PAUSE_S))
            continue
        lease.release()
        if not do_round():  # who marked while we held the lease sent no wake-up
            return False
        lease.take()
    return True
