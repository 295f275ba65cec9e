"""Time that a thread really took: without that for which the system gave its processor to other programs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType


class Turns:
    """Reads how long threads were ready to run and did not (`/proc`, in ns), each named by its process and id."""

    def __init__(self, *threads: int) -> None:
        ids = list(threads)
        places = [Path(f"/proc/{pid}/task/{tid}/schedstat") for pid, tid in zip(ids[::2], ids[1::2], strict=True)]
        self._files = [place.open("rb", buffering=0) for place in places]

    def timed(self, act: Callable[[], object]) -> float:
        """Do this, and return how many seconds it took that nobody else is to blame for."""
        start, queued = time.monotonic(), self._queued_s()
        act()
        return time.monotonic() - start - (self._queued_s() - queued)

    def __enter__(self) -> Turns:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files:
            file.close()

    def _queued_s(self) -> float:
        total = 0
        for file in self._files:
            file.seek(0)
            total += int(file.read(100).split()[1])
        return total / 1e9
