"""The chat and its clients before everything else on the machine, as on machines of their own.

Round robin in real time (`SCHED_RR`): whoever wakes runs at once, where the fair scheduler may let another finish
its slice of milliseconds. It takes root, or `CAP_SYS_NICE`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import psutil

CLIENTS, CHAT, TALKERS = 20, 10, 5  # who only makes load comes last


def put_first(processes: Iterable[psutil.Process], priority: int) -> bool:
    """Let these go before all that have a lower priority or none; return whether that is permitted."""
    return _set(processes, os.SCHED_RR | os.SCHED_RESET_ON_FORK, priority)


def put_back(processes: Iterable[psutil.Process]) -> None:
    """Let these be scheduled like everybody else again."""
    _set(processes, os.SCHED_OTHER, 0)


def _set(processes: Iterable[psutil.Process], policy: int, priority: int) -> bool:
    try:
        for process in processes:
            for thread in process.threads():
                os.sched_setscheduler(thread.id, policy, os.sched_param(priority))
    except PermissionError:
        return False
    return True
