"""A TCP proxy before Redis that loses replies, resets connections after the write got through, or hangs."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from enum import Enum
from types import TracebackType

CHUNK_BYTES = 65_536
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with no time to linger: close sends RST


class Fault(Enum):
    """What happens to the commands that a fault is set for."""

    RESET = "they reach Redis; instead of its reply the client gets a reset"
    SWALLOW = "they reach Redis; its reply never arrives"
    HANG = "they never reach Redis, and nothing arrives"
    GARBLE = "they reach Redis; the client gets bytes that are no reply"


class Proxy:
    """`with Proxy(server.port) as proxy`: use `proxy.url`, then `proxy.strike(Fault.RESET, times=3)`."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._fault = Fault.RESET
        self._left = 0
        self._command = b""

    @property
    def url(self) -> str:
        """The address of Redis through the proxy."""
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    @property
    def left(self) -> int:
        """How many faults have not happened yet."""
        return self._left

    def strike(self, fault: Fault, *, command: bytes = b"EVALSHA", times: int = 1) -> None:
        """Let the fault happen to the next `times` writes that hold the command, each on its connection."""
        with self._lock:
            self._fault, self._command, self._left = fault, command, times

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
                except OSError:
                    client.close()
                    continue
                server.settimeout(None)
                self._open += (client, server)
                _Link(self, client, server).start()

    def _struck(self, data: bytes) -> Fault | None:
        with self._lock:
            if not self._left or self._command not in data:
                return None
            self._left -= 1
            return self._fault


class _Link:
    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._fault: Fault | None = None

    def start(self) -> None:
        for pump in (self._up, self._down):
            threading.Thread(target=pump, daemon=True).start()

    def _up(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._client.recv(CHUNK_BYTES):
                self._fault = self._fault or self._proxy._struck(data)
                if self._fault is not Fault.HANG:
                    self._server.sendall(data)
        self._hang_up()

    def _down(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._server.recv(CHUNK_BYTES):
                if self._fault is Fault.RESET:
                    self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                    self._client.shutdown(socket.SHUT_RD)  # `_up` still reads it: nothing is sent before it stops
                    self._client.close()
                    break
                if self._fault is Fault.GARBLE:
                    self._client.sendall(b"?what\r\n")
                elif self._fault is None:
                    self._client.sendall(data)
        self._hang_up()

    def _hang_up(self) -> None:
        for each in (self._client, self._server):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
