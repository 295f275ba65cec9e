"""A process of `tests/integration/gateway/echo_server.py`: the detached connection, with nothing behind it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.ports import free_port
from tests.support.wait import eventually

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 70_000  # of a frame, in bytes


class EchoServer:
    """The process, as a test sees it."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log

    def state(self) -> dict[str, Any]:
        """Return what it tells of its connections."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/state", timeout=5) as answer:
            state: dict[str, Any] = json.load(answer)
            return state

    def logged(self) -> str:
        """Return all that it wrote."""
        return self.log.read_text()


@contextmanager
def running_server(log: Path, **settings: float) -> Iterator[EchoServer]:
    """Yield a server that takes connections; `settings` are limits of theirs."""
    port = free_port()
    command = [sys.executable, "-m", "tests.integration.gateway.echo_server", str(port), json.dumps(settings)]
    with log.open("wb") as out:
        environ = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=out, stderr=out)
    try:
        server = EchoServer(process, port, log)
        eventually(lambda: _answers(server), timeout_s=20)
        yield server
    finally:
        process.kill()
        process.wait()


def _answers(server: EchoServer) -> bool:
    assert server.process.poll() is None, server.logged()
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", server.port)) == 0
