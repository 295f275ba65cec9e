"""The system under measurement as `make run` starts it: every part of it, supervised."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from bench.stack import LIMITS_OFF
from workers.lifeline import tied_to_me
from workers.valkey import pick_port

START_TIMEOUT_S = 90  # five Python programs at once
STOP_TIMEOUT_S = 30
CLEARED = ("REDIS_URL", "STORE_URL", "CELERY_BROKER_URL", "AUTH_MODE", "AUTH_SECRET", "LOG_FORMAT", "HOST")
PARTS = {  # what the command lines of parts hold
    "web": "app.py",
    "redis": "valkey-server",
    "persist": "-Q persist",
    "background": "-Q seen,unread",
    "beat": "celery_app beat",
    "flower": "celery_app flower",
}


class WholeStack:
    """Starts and stops it; asks it over HTTP."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="chat-bench-"))
        self.port = pick_port()
        inherited = {name: value for name, value in os.environ.items() if name not in CLEARED}
        own = {"PORT": str(self.port), "FLOWER_PORT": str(pick_port()), "DATA_DIR": str(self._folder)}
        self._environ = inherited | LIMITS_OFF | own | {"LOG_LEVEL": "WARNING"}

    def __enter__(self) -> WholeStack:
        self._process = psutil.Popen(
            [sys.executable, "-m", "workers.stack"],
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=tied_to_me(signal.SIGTERM),
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                self.get("/readyz")
            except OSError:
                time.sleep(0.1)
            else:
                return self
        raise RuntimeError("the stack did not become ready")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except psutil.TimeoutExpired:
            self._process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def get(self, path: str) -> Any:
        """Return what a GET answers."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return json.load(answer)

    def token(self, user_id: str) -> str:
        """Return a token for anybody."""
        body = json.dumps({"user_id": user_id, "user_name": user_id}).encode()
        address = f"http://127.0.0.1:{self.port}/api/v1/dev/token"
        asking = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asking, timeout=10) as answer:
            return str(json.load(answer)["token"])

    def parts(self, *names: str) -> list[psutil.Process]:
        """Return the processes that run these parts, or all."""
        return [each for name, each in self._running() if not names or name in names]

    def cpu_s(self) -> dict[str, float]:
        """Return the CPU seconds that each part has used so far, its children with it."""
        found = dict.fromkeys(PARTS, 0.0)
        for name, process in self._running():
            times = process.cpu_times()
            found[name] += times.user + times.system
        return found

    def _running(self) -> Iterator[tuple[str, psutil.Process]]:
        for process in self._process.children(recursive=True):
            try:
                command = " ".join(process.cmdline())
            except psutil.NoSuchProcess:  # it has just ended
                continue
            name = next((name for name, text in PARTS.items() if text in command), None)
            if name:
                yield name, process
