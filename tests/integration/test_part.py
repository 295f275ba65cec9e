"""A part of the stack lives no longer than its supervisor, also when that ends before the part has begun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from workers.parts import PARTS_FILE, SUPERVISOR_PID_FILE, Part, save_parts


def started(tmp_path: Path, supervisor_pid: int) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "parts.json"
    save_parts([Part("job", "jobs", (sys.executable, "-c", "print('at work')"), death_signal="SIGTERM")], file)
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
