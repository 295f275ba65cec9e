"""Real Celery workers for a test: processes in a group of their own, gone when the test is."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tests.support.wait import eventually
from workers.lifeline import tied_to_me

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 15.0


class WorkerProcess:
    """One worker with its children; `with WorkerProcess(environ, folder) as worker: …`.

    `environ` is what the settings are read from. The same object serves over `kill` and `start`.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        folder: Path,
        *,
        processes: int = 2,
        name: str = "w",
        queues: str = "persist",
    ) -> None:
        self.log_file = folder / f"worker-{name}.log"
        self._environ = {**os.environ, **environ, "PYTHONUNBUFFERED": "1"}
        self._name = name
        self._queues = queues
        self._processes = processes
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> None:
        """Start it; with `wait` until it consumes."""
        with self.log_file.open("ab") as log:
            start = log.tell()
            self._process = subprocess.Popen(
                [*self._command(), *("-c", str(self._processes), "-n", f"{self._name}@%h")],
                cwd=ROOT,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=tied_to_me(signal.SIGKILL),
            )
        if wait:
            eventually(lambda: self._is_ready(start), timeout_s=START_TIMEOUT_S)

    @property
    def pid(self) -> int:
        """The id of the main process."""
        if self._process is None:
            raise RuntimeError("the worker is not running")
        return self._process.pid

    @property
    def children(self) -> list[int]:
        """The ids of the processes that run tasks."""
        tasks = Path(f"/proc/{self.pid}/task")
        return [int(pid) for file in tasks.glob("*/children") for pid in file.read_text().split()]

    @property
    def log(self) -> str:
        """What it has written so far, over all starts."""
        return self.log_file.read_text(errors="replace")

    def stop(self) -> int:
        """Stop it as a supervisor would and return its exit code."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        code = process.wait(STOP_TIMEOUT_S)
        self._sweep()
        return code

    def kill(self) -> None:
        """End it and its children as `kill -9` does."""
        if self._process is not None:
            self._sweep()

    def freeze(self) -> None:
        """Stop it and its children in their tracks."""
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen one go on."""
        os.killpg(self.pid, signal.SIGCONT)

    def __enter__(self) -> WorkerProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _command(self) -> list[str]:
        python = [sys.executable, "-W", "ignore:You're running the worker", "-m", "celery", "--quiet"]
        flags = ["-Q", self._queues, "--prefetch-multiplier", "1", "-E", "--without-gossip", "--without-mingle"]
        return [*python, "-A", "workers.celery_app", "worker", *flags, "-l", "WARNING"]

    def _is_ready(self, start: int) -> bool:
        if self._running().poll() is not None:
            raise RuntimeError(self.log[-2000:])
        return " ready." in self.log_file.read_bytes()[start:].decode(errors="replace")

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the worker is not running")
        return self._process

    def _sweep(self) -> None:
        """Kill the whole group: children of a killed worker live on by themselves."""
        process = self._running()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._process = None
