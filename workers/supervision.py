"""What keeps the parts alive, the library `supervisor`: how it is told, and what its log means."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from workers.lifeline import tied_to_me
from workers.parts import GROUPS, PARTS_FILE, SUPERVISOR_PID_FILE, Part, save_parts

INI = """\
[supervisord]
nodaemon=true
{user}logfile=%(here)s/supervisord.log
logfile_maxbytes=1MB
logfile_backups=1
pidfile=%(here)s/{pid_file}
"""

GROUP = """
[group:{name}]
programs={programs}
priority={priority}
"""

# Only the part itself is asked to stop: a Celery worker's processes are to finish their tasks.
# A part that dies at once is tried for ever, a second later each time.
PROGRAM = """
[program:{name}]
command={python} -m workers.part {name}
process_name={name}
autorestart=true
startsecs=1
startretries=1000000
stopwaitsecs={stop_wait_s}
stopasgroup=false
killasgroup=true
redirect_stderr=true
stdout_logfile={output}
stdout_logfile_maxbytes=0
"""


class Supervisor:
    """The running supervisord; `log` is the end to read its log from, `outputs` those of the parts."""

    def __init__(self, parts: Sequence[Part], run_dir: Path) -> None:
        self._parts = parts
        self._run_dir = run_dir.resolve()
        self._process: subprocess.Popen[bytes] | None = None
        self.log = -1
        self.outputs: dict[int, str] = {}

    @property
    def pid(self) -> int:
        """Its process id, 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def longest_stop_s(self) -> int:
        """How long an orderly stop takes at most: the groups stop one after the other."""
        return sum(max((p.stop_wait_s for p in self._parts if p.group == group), default=0) for group in GROUPS)

    def start(self, environ: Mapping[str, str], folder: Path) -> None:
        """Start it, in a session of its own, so that the terminal's Ctrl-C reaches nobody but us."""
        parts_file = self._run_dir / "parts.json"
        save_parts(self._parts, parts_file)
        ini = self._run_dir / "supervisord.ini"
        ini.write_text(ini_text(self._parts, {part.name: self._open_output(part.name) for part in self._parts}))
        self.log, log_end = os.pipe()
        with (self._run_dir / "supervisord.err").open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(ini)],
                env={**environ, PARTS_FILE: str(parts_file), "PYTHONUNBUFFERED": "1"},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log_end,
                stderr=errors,  # a file: writing to it still works when we are gone
                start_new_session=True,
                preexec_fn=tied_to_me(signal.SIGTERM),
            )
        os.close(log_end)

    def ask_to_stop(self) -> None:
        """Stop web, then jobs, then data."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once; the kernel then ends the parts."""
        self._signal(signal.SIGKILL)

    def has_ended(self) -> bool:
        """Tell whether it is gone."""
        return self._process is None or self._process.poll() is not None

    def last_words(self) -> str:
        """Return the last line that it wrote about a fault of its own."""
        lines = (self._run_dir / "supervisord.err").read_text(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "no reason given")

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _open_output(self, name: str) -> str:
        """Make the pipe of one part; supervisord opens our writing end by its address."""
        reading, writing = os.pipe()
        self.outputs[reading] = name
        return f"/proc/{os.getpid()}/fd/{writing}"


def ini_text(parts: Sequence[Part], outputs: Mapping[str, str]) -> str:
    """Return the configuration; no command line and no secret is in it."""
    user = f"user={pwd.getpwuid(0).pw_name}\n" if os.geteuid() == 0 else ""  # it warns root users without
    python = shlex.quote(sys.executable).replace("%", "%%")
    text = INI.format(user=user, pid_file=SUPERVISOR_PID_FILE)
    for rank, group in enumerate(reversed(GROUPS), start=1):
        names = [part.name for part in parts if part.group == group]
        if names:  # the highest priority starts last and stops first
            text += GROUP.format(name=group, programs=",".join(names), priority=rank)
    for part in parts:
        output = outputs[part.name]
        text += PROGRAM.format(name=part.name, python=python, stop_wait_s=part.stop_wait_s, output=output)
    return text


class Interpreter:
    """Turns supervisord's log into the few lines that a person wants to read."""

    EXITED = re.compile(r" exited: (\S+) \((.*); (?:not )?expected\)")
    SPAWNED = re.compile(r" spawned: '(\S+)' with pid \d+")
    KILLED = re.compile(r" WARN killing '(\S+)' \((\d+)\) with SIGKILL")
    FAULT = re.compile(r" (?:CRIT|ERRO) (.*)| INFO (spawnerr: .*|gave up: .*)")

    def __init__(self) -> None:
        self._deaths: dict[str, str] = {}
        self._killed: set[str] = set()  # a machine under load takes its time, and each try is logged

    def read(self, line: str) -> str | None:
        """Return what to tell about one line of the log, None when it is not worth a word."""
        if match := self.EXITED.search(line):
            self._deaths[match[1]] = _short(match[2])
        elif (match := self.SPAWNED.search(line)) and match[1] in self._deaths:
            return f"{match[1]} died ({self._deaths.pop(match[1])}), started again"
        elif (match := self.KILLED.search(line)) and match[2] not in self._killed:
            self._killed.add(match[2])
            return f"{match[1]} did not stop in time and was killed"
        elif match := self.FAULT.search(line):
            return match[1] or match[2]
        return None


def _short(reason: str) -> str:
    if reason.startswith("Exited too quickly"):
        return "right after its start"
    return reason.removeprefix("terminated by ")
