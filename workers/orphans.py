"""Processes that lost their parent: they come to the stack, which ends them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>
LOOK_EVERY_S = 0.05


def adopt() -> None:
    """From now on a descendant whose parent dies becomes our child."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> set[int]:
    """Return the ids of our own children."""
    found: set[int] = set()
    for file in Path("/proc/self/task").glob("*/children"):
        try:
            found.update(int(pid) for pid in file.read_text().split())
        except OSError:
            continue  # that thread has just ended
    return found


def sweep(kept: int) -> None:
    """Kill every orphan; `kept` is the one child that is no orphan.

    A worker that was killed leaves its processes behind, and the next one must not run beside them.
    """
    for pid in children() - {kept}:
        _kill_and_reap(pid)


def sweep_all(grace_s: float) -> None:
    """Let all that is left end by itself for a while, then kill it; nothing is left afterwards."""
    deadline = time.monotonic() + grace_s
    while remaining := children():
        for pid in remaining:
            if time.monotonic() >= deadline:
                _kill_and_reap(pid)
            else:
                _reap(pid)
        time.sleep(LOOK_EVERY_S)


def _kill_and_reap(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    _reap(pid)


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):  # not ours any more
        os.waitpid(pid, os.WNOHANG)
