"""Who goes first on the machine that the chat and all its clients share.

As it comes: those who only make load give way to the chat, as if they were elsewhere, by hints that take no
privileges. First: the chat as `CPU_PRIORITY=realtime` runs it, and its clients (`SCHED_RR`: whoever wakes runs at
once). It takes root, or `CAP_SYS_NICE`. And processors that do not sleep: that of a virtual machine is woken by its
host, which may take milliseconds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from workers.lifeline import tied_to_me
from workers.scheduling import Turns, ask_for_slice, take

CLIENTS, CHAT, TALKERS = 20, 10, 5  # who only makes load comes last
MEASURED_SLICE_MS = 0.1  # who measures reads what came when it came
LOAD_TURNS = Turns(niceness=19, slice_ms=100)
# of this session, where sessions share the processors before their processes do
OWN_GROUP = Path("/proc/self/autogroup")


def put_first(processes: Iterable[psutil.Process], priority: int) -> bool:
    """Let these go before all that have a lower priority or none; return whether that is permitted."""
    return _set(processes, os.SCHED_RR | os.SCHED_RESET_ON_FORK, priority)


def put_back(processes: Iterable[psutil.Process], slice_ms: float) -> None:
    """Let these be scheduled like everybody else again, with the slice that they asked for before."""
    found = list(processes)
    _set(found, os.SCHED_OTHER, 0)
    for process in found:
        for thread in process.threads():
            ask_for_slice(slice_ms, thread.id)


def give_way() -> None:
    """Run this process, the first of its session, behind all that is not load."""
    take(LOAD_TURNS)
    if OWN_GROUP.exists():
        OWN_GROUP.write_text(str(LOAD_TURNS.niceness))


@contextmanager
def awake() -> Iterator[None]:
    """Keep every processor from sleeping, by work that gives way to all other."""
    idlers = [
        subprocess.Popen([sys.executable, "-c", _IDLER, str(cpu)], preexec_fn=tied_to_me(signal.SIGKILL))
        for cpu in os.sched_getaffinity(0)
    ]
    try:
        yield
    finally:
        for each in idlers:
            each.kill()
            each.wait()


_IDLER = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
while True:
    pass
"""


def _set(processes: Iterable[psutil.Process], policy: int, priority: int) -> bool:
    try:
        for process in processes:
            for thread in process.threads():
                os.sched_setscheduler(thread.id, policy, os.sched_param(priority))
    except PermissionError:
        return False
    return True
