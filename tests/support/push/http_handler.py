"""HTTP/1.1 with connections that stay open, for the stand-ins that speak it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar, cast

from tests.support.push.script import Answer, Seen
from tests.support.push.tls_server import TlsServer


class HttpHandler(BaseHTTPRequestHandler, ABC):
    """Reads a request, asks `answer` and sends what that returns; None of it closes the connection."""

    protocol_version = "HTTP/1.1"
    wbufsize: ClassVar[int] = -1  # one segment an answer: Nagle's delay would look like a slow provider
    disable_nagle_algorithm = True

    @abstractmethod
    def answer(self, seen: Seen) -> Answer:
        """Return what is answered to a request."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.answer(Seen(self.command, self.path, headers, body))
        if cast(TlsServer, self.server).keep_waiting(answer):
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(answer.content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.content)
        self.wfile.flush()

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: Any) -> None:
        """Be quiet."""
