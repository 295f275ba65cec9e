"""The chat and its clients before everything else on the machine, as on machines of their own.

Round robin in real time (`SCHED_RR`): whoever wakes runs at once, where the fair scheduler may let another finish
its slice of milliseconds. It takes root, or `CAP_SYS_NICE`. And processors that do not sleep: that of a virtual
machine is woken by its host, which may take milliseconds too.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psutil

from workers.lifeline import tied_to_me

CLIENTS, CHAT, TALKERS = 20, 10, 5  # who only makes load comes last


def put_first(processes: Iterable[psutil.Process], priority: int) -> bool:
    """Let these go before all that have a lower priority or none; return whether that is permitted."""
    return _set(processes, os.SCHED_RR | os.SCHED_RESET_ON_FORK, priority)


def put_back(processes: Iterable[psutil.Process]) -> None:
    """Let these be scheduled like everybody else again."""
    _set(processes, os.SCHED_OTHER, 0)


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
