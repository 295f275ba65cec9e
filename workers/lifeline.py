"""A process tied to its parent: when the parent dies, however it dies, the kernel signals the child."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>; kept over exec, cleared by fork


def die_with_parent(parent_pid: int, death_signal: signal.Signals) -> None:
    """Ask the kernel to send this process `death_signal` when `parent_pid` dies.

    The request is bound to the thread that forked us, so a parent has to start its children from a
    thread that lives as long as itself.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != parent_pid:  # it died before we asked
        os.kill(os.getpid(), death_signal)


def tied_to_me(death_signal: signal.Signals) -> Callable[[], None]:
    """Return a `preexec_fn` that ties the child of a `Popen` to the calling process."""
    parent_pid = os.getpid()
    return lambda: die_with_parent(parent_pid, death_signal)
