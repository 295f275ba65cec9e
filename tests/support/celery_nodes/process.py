"""A local process in the shape of docker-py's `Container`, so that pytest-celery's own classes can wrap it.

What Docker gives by namespaces comes from a process group (what `kill -9` of a container ends) and from the
machine's own network (a port has the same number inside and outside).
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import SIGKILL
from types import TracebackType
from typing import Any

import psutil

from tests.support.wait import eventually
from workers.lifeline import tied_to_me

MARK = "CHAT_NODE_MARK"  # environment variable: which test a process belongs to
ROOT = Path(__file__).resolve().parents[3]
HOST = "127.0.0.1"
NETWORK = "loopback"
STOP_TIMEOUT_S = 10  # as `docker stop`
KILL_TIMEOUT_S = 10


class ProcessContainer:
    """One process with its children; `with ProcessContainer(command, …) as process: …` has it started.

    The same object serves over `kill`, `stop` and `start`; its log goes on, as that of a container does.
    `%h` in the command becomes `hostname`: in Docker that is the name of the machine the process sees.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        name: str,
        folder: Path,
        environ: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        self.id = uuid.uuid4().hex
        self.hostname = self.id[:12]
        self.name = f"{name}-{self.hostname}"
        self.port = port
        self.environ = {**os.environ, **(environ or {})}
        self._command = [part.replace("%h", self.hostname) for part in command]
        self._log_file = folder / f"{self.name}.log"
        self._log_start = 0
        self._is_swept = True
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def status(self) -> str:
        """One of Docker's words: `created`, `running`, `exited`."""
        if self._process is None:
            return "created"
        return "running" if self._process.poll() is None else "exited"

    @property
    def pid(self) -> int | None:
        """The id of the main process, None when it does not run."""
        return self._started().pid if self.status == "running" else None

    @property
    def exit_code(self) -> int | None:
        """How it ended, None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def attrs(self) -> dict[str, Any]:
        """What pytest-docker-tools reads of `docker inspect`."""
        listens_on = {} if self.port is None else {f"{self.port}/tcp": [{"HostPort": str(self.port)}]}
        return {
            "Config": {"Hostname": HOST, "Env": [f"{name}={value}" for name, value in self.environ.items()]},
            "HostConfig": {"PortBindings": listens_on},
            "NetworkSettings": {"Ports": listens_on, "Networks": {NETWORK: {"IPAddress": HOST}}},
        }

    def reload(self) -> None:
        """Nothing here is a copy that could be out of date."""

    def start(self) -> None:
        """Start it; whether it is ready is for others to say."""
        if self.status == "running":
            return
        with self._log_file.open("ab") as log:
            self._log_start = log.tell()
            self._is_swept = False
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=tied_to_me(SIGKILL),
            )

    def stop(self, timeout: float = STOP_TIMEOUT_S) -> None:
        """End it by SIGTERM, and what is left of it after `timeout` seconds by SIGKILL."""
        if self.status == "running":
            self.kill("SIGTERM")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._started().wait(timeout)
        self._sweep()

    def restart(self, timeout: float = STOP_TIMEOUT_S) -> None:
        """Stop it if it runs, and start it."""
        self.stop(timeout)
        self.start()

    def kill(self, signal: str | int | None = None) -> None:
        """Send a signal to the main process; SIGKILL, as its namespace's end, takes the children along."""
        number = _signal_number(signal)
        if self.status != "running":
            raise RuntimeError(f"{self.name} is {self.status}")  # Docker answers 409 Conflict
        if number == SIGKILL:
            self._sweep()
        else:
            self._started().send_signal(number)

    def pause(self) -> None:
        """Freeze it with its children."""
        os.killpg(self._started().pid, signal.SIGSTOP)

    def unpause(self) -> None:
        """Let a frozen one go on."""
        os.killpg(self._started().pid, signal.SIGCONT)

    def logs(self) -> bytes:
        """Return what it has written over all starts."""
        return self._log_file.read_bytes() if self._log_file.exists() else b""

    def logs_of_this_start(self) -> str:
        """Return what it has written since it was started last."""
        return self.logs()[self._log_start :].decode(errors="replace")

    def exec_run(self, command: str | Sequence[str]) -> tuple[int, bytes]:
        """Run another command where the process runs; return its exit code and output."""
        words = shlex.split(command) if isinstance(command, str) else list(command)
        done = subprocess.run(
            words, cwd=ROOT, env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        return done.returncode, done.stdout

    def processes(self) -> list[psutil.Process]:
        """Return the living processes of its group."""
        if self._process is None:
            return []
        return [each for each in psutil.process_iter() if _is_alive_in(each, self._process.pid)]

    def remove(self) -> None:
        """End it for good; nothing happens when it is gone."""
        self._sweep()

    def __enter__(self) -> ProcessContainer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process

    def _sweep(self) -> None:
        """Kill the whole group and wait for its end: children of a killed worker live on by themselves."""
        if self._is_swept:  # the number of a group that is gone may be another's by now
            return
        process = self._started()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, SIGKILL)
        process.wait(KILL_TIMEOUT_S)
        eventually(lambda: not self.processes(), KILL_TIMEOUT_S)
        self._is_swept = True


def left_running(mark: str) -> list[str]:
    """Return the command lines of the living processes with this mark."""
    return [" ".join(command) for each in psutil.process_iter() if (command := _marked_command(each, mark))]


def _marked_command(process: psutil.Process, mark: str) -> list[str]:
    try:
        return process.cmdline() if process.environ().get(MARK) == mark else []
    except psutil.Error:
        return []


def _is_alive_in(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ProcessLookupError):
        return False


def _signal_number(name: str | int | None) -> signal.Signals:
    if name is None:
        return SIGKILL
    return signal.Signals[name] if isinstance(name, str) else signal.Signals(name)
