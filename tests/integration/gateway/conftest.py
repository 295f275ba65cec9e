"""Servers that echo, and a client of raw bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.echo_process import LIMIT, EchoServer, running_server
from tests.support.raw_client import RawClient


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EchoServer]:
    log = tmp_path_factory.mktemp("echo") / "log"
    # A close timeout longer than a client waits: what ends in these tests ends by itself.
    with running_server(log, frame_limit_bytes=LIMIT, max_frames_per_s=0, close_timeout_s=30) as running:
        yield running


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., EchoServer]]:
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(running_server(tmp_path / "log", **settings))


@pytest.fixture
def client(server: EchoServer) -> Iterator[RawClient]:
    with RawClient(server.port) as raw:
        raw.open()
        yield raw
