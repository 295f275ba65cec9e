"""A real server takes the inputs over sockets: no connection stays, nothing grows, and others are served."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType

import psutil

from tests.fuzz.inputs import Input
from tests.support.chat_system import LoneServer
from tests.support.echo_system import echo_system, echo_url, port_of
from tests.support.raw_client import TEXT, RawClient, frame
from tests.support.wait import eventually

ROUTES = ("/ws", "/ws/echo")
END_WITHIN_S = 10.0  # after the client has sent FIN; the server's own deadline is 2 s
WARM_UP = 0.2
GROWTH_LIMIT_BYTES = 40 * 1024 * 1024  # rooms are made on sight, and their logs are kept for a while
LONGEST_ECHO_S = 2.0


def serve_all(found: Iterable[Input], count: int) -> Counter[str]:
    """Send every input over a connection of its own, the two routes in turn; return what was counted.

    Raises: AssertionError when a connection stays, the server logs a traceback, grows or stops serving others.
    """
    told: Counter[str] = Counter()
    with echo_system(LOG_LEVEL="WARNING") as server:
        process, before = psutil.Process(server.process.pid), 0
        with Bystander(server) as bystander:
            for number, each in enumerate(found):
                if number == int(count * WARM_UP):
                    before = process.memory_info().rss
                told[f"sent to {_send(server, ROUTES[number % 2], each)}"] += 1
            eventually(lambda: server.stats()["totalSockets"] == 0)
        growth = process.memory_info().rss - before
        output = server.output
    assert "Traceback" not in output, output[-4000:]
    assert growth < GROWTH_LIMIT_BYTES, f"the server grew by {growth / 1e6:.1f} MB"
    assert bystander.longest_s < LONGEST_ECHO_S
    told["growth of the server, KB"] = growth // 1000
    told["echoes of another client meanwhile"] = bystander.echoes
    told["its longest wait, ms"] = int(bystander.longest_s * 1000)
    return told


def _send(server: LoneServer, route: str, each: Input) -> str:
    with RawClient(port_of(server), timeout_s=END_WITHIN_S) as raw:
        raw.open(route)
        with suppress(BrokenPipeError, ConnectionResetError):  # it may have closed after the first fault
            for piece in each.pieces[:20]:
                raw.send(piece)
            raw.sock.shutdown(socket.SHUT_WR)
        try:
            while raw.stream.read(65536):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            raise AssertionError(f"the connection stays after the input {each.pieces!r:.2000}") from None
    return route


class Bystander:
    """A client that has its own messages echoed all the while, in a thread."""

    def __init__(self, server: LoneServer) -> None:
        self.echoes, self.longest_s = 0, 0.0
        self._url = echo_url(server)
        self._port = port_of(server)
        self._stop = threading.Event()
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            with RawClient(self._port) as raw:
                raw.open("/ws/echo")
                while not self._stop.wait(0.01):
                    started = time.monotonic()
                    raw.send(frame(TEXT, b"%d" % self.echoes))
                    assert raw.receive() == (TEXT, b"%d" % self.echoes)
                    self.longest_s = max(self.longest_s, time.monotonic() - started)
                    self.echoes += 1
        except BaseException as exc:
            self._fault = exc

    def __enter__(self) -> Bystander:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(20)
        if kind is None:
            assert self._fault is None, self._fault
            assert self.echoes > 0
