"""A server on loopback that speaks TLS, one thread a connection, and counts its connections."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import threading
from types import TracebackType

from tests.support.push.script import Answer

HANDSHAKE_LIMIT_S = 10


class TlsServer(socketserver.ThreadingTCPServer):
    """Accepts at once; the handshake is made in the connection's own thread."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, handler: type[socketserver.BaseRequestHandler], context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.accepted = 0  # TCP connections so far
        self.stopping = threading.Event()
        self._context = context
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    @property
    def port(self) -> int:
        port: int = self.server_address[1]
        return port

    @property
    def url(self) -> str:
        """Where it is, without a path."""
        return f"https://127.0.0.1:{self.port}"

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        self.accepted += 1
        return connection, address

    def finish_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        request.settimeout(HANDSHAKE_LIMIT_S)
        # a client that is gone, or that refuses the certificate, is none of the server's faults
        with contextlib.suppress(OSError, ssl.SSLError):
            wrapped = self._context.wrap_socket(request, server_side=True)
            wrapped.settimeout(None)
            with self._lock:
                self._open.add(wrapped)
            try:
                super().finish_request(wrapped, client_address)
            finally:
                with self._lock:
                    self._open.discard(wrapped)
                wrapped.close()

    def keep_waiting(self, answer: Answer) -> bool:
        """Wait as an answer asks for; return whether the connection is to be closed without a word."""
        if answer.hang_s:
            self.stopping.wait(answer.hang_s)
        return answer.closes or answer.hang_s > 0

    def drop_connections(self) -> None:
        """Cut off everybody who is connected."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> TlsServer:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()
        self.drop_connections()
