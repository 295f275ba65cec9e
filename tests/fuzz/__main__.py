"""`make fuzz`: all inputs are read in this process, and some are sent to a server as well."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter

from tests.fuzz.inputs import inputs
from tests.fuzz.live import serve_all
from tests.fuzz.reading import read_all

LIVE_SHARE = 100  # one in so many goes to a server too


def main() -> int:
    """Run both parts; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--live", type=int, help=f"inputs sent to a server; default: 1 in {LIVE_SHARE}")
    wanted = parser.parse_args()
    seed, count = wanted.seed, wanted.inputs
    live = count // LIVE_SHARE if wanted.live is None else wanted.live
    print(f"seed {seed}", flush=True)
    try:
        _part("read in this process", count, lambda: read_all(inputs(seed, count), count))
        _part("sent to a server", live, lambda: serve_all(inputs(seed + 1, live), live))
    except AssertionError as exc:
        print(f"FAILED with seed {seed}: {exc}", flush=True)
        return 1
    print("no fault found")
    return 0


def _part(name: str, count: int, run) -> None:
    started = time.monotonic()
    told: Counter[str] = run()
    print(f"{count} inputs {name} in {time.monotonic() - started:.1f} s", flush=True)
    for what, times in sorted(told.items()):
        print(f"  {what}: {times}")


if __name__ == "__main__":
    sys.exit(main())
