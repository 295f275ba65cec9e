"""A part of the stack lives no longer than its supervisor, also when that ends before the part has begun."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from workers.parts import PARTS_FILE, SUPERVISOR_PID_FILE, Part, save_parts
from workers.scheduling import REALTIME_PRIORITY, Turns, ask_for_slice, is_realtime_permitted

DEFAULT = Turns()


AT_WORK = "print('at work')"
# Of itself, then of what it starts: niceness, policy, priority, and the slice where the kernel tells it.
TELL = """
import json, os, subprocess, sys
slices = [line.split()[-1] for line in open("/proc/self/sched") if line.startswith("se.slice")]
told = [os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0), os.sched_getparam(0).sched_priority, slices]
print(json.dumps(told), flush=True)
if "child" not in sys.argv:
    subprocess.run([sys.executable, *sys.orig_argv[1:], "child"])
"""


def started(
    tmp_path: Path, supervisor_pid: int, script: str = AT_WORK, turns: Turns = DEFAULT
) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "parts.json"
    save_parts([Part("job", "jobs", (sys.executable, "-c", script), death_signal="SIGTERM", turns=turns)], file)
    (tmp_path / SUPERVISOR_PID_FILE).write_text(f"{supervisor_pid}\n")
    return subprocess.run(
        [sys.executable, "-m", "workers.part", "job"],
        env={**os.environ, PARTS_FILE: str(file)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_part_becomes_its_command_under_its_supervisor(tmp_path: Path) -> None:
    assert started(tmp_path, os.getpid()).stdout == "at work\n"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a process that its parent died")
def test_a_part_does_not_begin_when_its_supervisor_has_died(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    done = started(tmp_path, dead.pid)  # another process is its parent now
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "")


def told(tmp_path: Path, turns: Turns) -> list[list[Any]]:
    """Return how a part with such turns is scheduled, and what it starts."""
    done = started(tmp_path, os.getpid(), TELL, turns)
    return [json.loads(line) for line in done.stdout.splitlines()]


def knows_slices() -> bool:
    """Whether the kernel takes them and tells them; older ones (before 6.12) do not."""
    own = Path("/proc/self/sched")
    with ThreadPoolExecutor(1) as pool:  # of a thread that is over then
        is_taken = pool.submit(ask_for_slice, 3).result()
    return is_taken and own.exists() and "se.slice" in own.read_text() and kernel() >= (6, 12)


def kernel() -> tuple[int, ...]:
    return tuple(int(number) for number in platform.release().split("-")[0].split(".")[:2])


@pytest.mark.skipif(not knows_slices(), reason="this kernel knows no slices")
def test_a_part_is_as_nice_as_its_row_says_and_asks_for_its_slice(tmp_path: Path) -> None:
    least = os.getpriority(os.PRIO_PROCESS, 0)
    own, child = told(tmp_path, Turns(niceness=4, slice_ms=50))
    assert own == child == [min(least + 4, 19), os.SCHED_OTHER, 0, ["50000000"]]


@pytest.mark.skipif(not is_realtime_permitted(), reason="real time is not permitted here")
@pytest.mark.parametrize("forks_normal", [True, False])
def test_a_part_in_real_time_keeps_it_from_what_it_starts_where_its_row_says_so(
    tmp_path: Path, *, forks_normal: bool
) -> None:
    own, child = told(tmp_path, Turns(is_realtime=True, forks_normal=forks_normal))
    assert (own[1] & ~os.SCHED_RESET_ON_FORK, own[2]) == (os.SCHED_RR, REALTIME_PRIORITY)
    assert child[1:3] == ([os.SCHED_OTHER, 0] if forks_normal else [os.SCHED_RR, REALTIME_PRIORITY])
