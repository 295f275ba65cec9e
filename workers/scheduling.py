"""How the parts share the processors of a machine: who shows messages goes before who stores them.

Niceness says who gets how much, not how soon: a worker in the middle of a batch is left to finish its slice first.
The slice can be asked for (Linux 6.12, `sched_setattr`, 0.1 to 100 ms; no privileges): who wakes and asks for a
shorter one than who runs takes the processor from it. Older kernels ignore it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import subprocess
import sys
from dataclasses import dataclass

REALTIME_PRIORITY = 10  # of 1 to 99: before all that is not in real time, behind what a machine puts first
SYSCALL = {"x86_64": 314, "aarch64": 274}  # sched_setattr
ATTRIBUTES = struct.Struct("=IIQiIQQQ")  # struct sched_attr in its first version
TRY = (sys.executable, "-m", "workers.scheduling")


@dataclass(frozen=True, slots=True)
class Turns:
    """How soon and how much one process runs beside others."""

    niceness: int = 0
    slice_ms: float = 0.0  # 0.1 to 100, 0 for the kernel's own
    is_realtime: bool = False
    forks_normal: bool = False  # in real time: what it forks, and the threads it starts, are not


def take(turns: Turns) -> None:
    """Have this process, and what it becomes, run so. Raises: OSError where real time is not permitted."""
    if turns.is_realtime:
        policy = os.SCHED_RR | (os.SCHED_RESET_ON_FORK if turns.forks_normal else 0)
        os.sched_setscheduler(0, policy, os.sched_param(REALTIME_PRIORITY))
        return
    os.nice(turns.niceness)
    if turns.slice_ms:
        ask_for_slice(turns.slice_ms)


def ask_for_slice(slice_ms: float, thread_id: int = 0) -> bool:
    """Ask for slices of so long, for this thread or another; return whether the kernel knows of such a wish."""
    number = SYSCALL.get(platform.machine()) if sys.platform == "linux" else None
    if number is None:
        return False
    niceness = os.getpriority(os.PRIO_PROCESS, thread_id)
    slice_ns = round(slice_ms * 1_000_000)
    attributes = ATTRIBUTES.pack(ATTRIBUTES.size, os.SCHED_OTHER, 0, niceness, 0, slice_ns, 0, 0)
    return bool(ctypes.CDLL(None).syscall(number, thread_id, attributes, 0) == 0)


def is_realtime_permitted() -> bool:
    """Tell whether this user may run processes in real time; tried in a process of its own, which is over then."""
    return subprocess.run(TRY, check=False, capture_output=True).returncode == 0


if __name__ == "__main__":
    take(Turns(is_realtime=True))
