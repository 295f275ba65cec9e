"""Latencies of the newest events, exact: the last samples are kept and sorted when somebody asks."""

from __future__ import annotations

import time
from collections import deque

SAMPLES = 10_000


class Latency:
    """A window of samples in milliseconds."""

    def __init__(self) -> None:
        self._samples: deque[float] = deque(maxlen=SAMPLES)

    def since_ms(self, then_ms: int) -> None:
        """Note what has passed since a wall-clock time, in ms since the epoch."""
        self._samples.append(time.time() * 1000 - then_ms)

    def percentiles(self) -> dict[str, float | None]:
        """Return p50, p95 and p99 in ms, None while there is no sample."""
        ordered = sorted(self._samples)
        if not ordered:
            return {"p50": None, "p95": None, "p99": None}
        last = len(ordered) - 1
        return {f"p{p}": round(max(0.0, ordered[round(last * p / 100)]), 2) for p in (50, 95, 99)}
