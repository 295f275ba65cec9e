"""HTTP on gevent's pywsgi, made fit to face strangers and to hand a socket over to a WebSocket.

After a handshake this server has let go of the socket; after a refused one it parses nothing more on it, so
that no second request can be smuggled past a proxy that believes in the upgrade.
"""

from __future__ import annotations

import errno
import logging
import re
import socket as socket_module
from _socket import socket as native_socket
from contextlib import suppress
from email.errors import FirstHeaderLineIsContinuationDefect, MissingHeaderBodySeparatorDefect
from http.client import HTTPException, HTTPMessage
from time import monotonic
from types import TracebackType
from typing import Any

import gevent
from gevent import pywsgi
from gevent.socket import socket as gevent_socket
from werkzeug.exceptions import ClientDisconnected, RequestTimeout

from chat.gateway.waiting import Waiting, waiting_limit

log = logging.getLogger(__name__)

_REQUEST_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-length: 0\r\n\r\n"
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-length: 0\r\n\r\n"
_HEADERS_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-length: 0\r\n\r\n"
)
# a line that is no header, before which the headers end for Python; other defects are of the body it takes for mail
NO_HEADER = (FirstHeaderLineIsContinuationDefect, MissingHeaderBodySeparatorDefect)
HEADERS_LIMIT_BYTES = 16 * 1024  # all of a request's header lines; a token and a browser's cookies fit
_TOLD_CHARACTERS = 200  # of a client's fault in a log line
_BEFORE_QUOTE = re.compile(r"[^:;]*")  # what follows in pywsgi's and Python's words is the client's, maybe a token


class HeadersTooLarge(ValueError):
    """A request's header lines are more than HEADERS_LIMIT_BYTES."""


class _BoundedLines:
    """The header lines of a request, up to a limit for all of them together."""

    def __init__(self, lines: Any, limit_bytes: int) -> None:
        self._lines = lines
        self._left_bytes = limit_bytes

    def readline(self, size: int) -> bytes:
        line: bytes = self._lines.readline(min(size, self._left_bytes + 1))
        self._left_bytes -= len(line)
        if self._left_bytes < 0:
            raise HeadersTooLarge("the headers are too large")
        return line


class ChatWSGIHandler(pywsgi.WSGIHandler):  # type: ignore[misc]
    """One HTTP connection; `environ["chat.handler"]` is it, so that a route can take the socket."""

    request_timeout_s = 10.0  # for the first byte, the rest of the head and the body, each
    idle_timeout_s = 75.0  # between two requests, and for a reader of an answer; proxies reuse for 60 s
    ignored_socket_errors = (*pywsgi.WSGIHandler.ignored_socket_errors, errno.ETIMEDOUT)

    socket: Any  # gevent's, or None once it was given away
    wsgi_input: Any
    server: ChatWSGIServer
    _head_timeout: gevent.Timeout | None = None
    _is_given_up = False  # others waited in vain for its place

    def detach(self) -> tuple[native_socket, bytes]:
        """Give the socket away with the bytes read too far; this handler and its server touch it no more.

        The descriptor keeps its number: libev never unregisters one that was closed while a duplicate lives,
        and mends that with a rebuild of its epoll set (14 ms beside 5,000 idle sockets, against 0.07 ms).
        """
        sock, self.socket = self.socket, None
        sock.settimeout(0)
        try:
            early = self.rfile.peek()
        except OSError:
            early = b""  # it was reset: the new owner's first recv says so
        family, kind, proto = sock.family, sock.type, sock.proto
        detached = native_socket(family, kind, proto, fileno=sock.detach())
        self.rfile.close()
        return detached, early

    def give_up(self) -> None:
        """End the connection from another greenlet, while its own waits for the client."""
        self._is_given_up = True
        with suppress(OSError):
            self.socket.shutdown(socket_module.SHUT_RDWR)

    def begin_waiting(self) -> None:
        """Take a place among those that wait; one that has lost its place pushes out nobody."""
        if not self._is_given_up:
            self.server.waiting.enter(self)

    def handle(self) -> None:
        self.socket.settimeout(self.request_timeout_s)
        with suppress(OSError):  # it went away before it was told of its fault
            super().handle()

    def handle_one_request(self) -> Any:
        self.begin_waiting()
        try:
            return super().handle_one_request()
        except gevent.Timeout as exc:
            if exc is not self._head_timeout:
                raise
            self.status, self.close_connection = None, True
            return ("408", _REQUEST_TIMEOUT)
        finally:
            self._end_head_timeout()
            self.server.waiting.leave(self)

    def read_requestline(self) -> str:
        if not self.rfile.peek(1):  # the head's time starts with its first byte
            return ""
        self.socket.settimeout(self.idle_timeout_s)
        self._head_timeout = gevent.Timeout.start_new(self.request_timeout_s)
        line: str = super().read_requestline()
        return line

    def MessageClass(self, lines: Any, *args: Any) -> Any:  # noqa: N802
        headers = super().MessageClass(_BoundedLines(lines, HEADERS_LIMIT_BYTES), *args)
        if _is_ambiguous(headers):  # before pywsgi drops a length beside a coding
            raise ValueError("the request is ambiguous")
        return headers

    def read_request(self, raw_requestline: str) -> Any:
        is_read = super().read_request(raw_requestline)
        if self._is_given_up:
            raise ConnectionAbortedError  # what came of the head looks like all of it
        return is_read

    def get_environ(self) -> dict[str, Any]:
        self._end_head_timeout()
        self.server.waiting.leave(self)
        environ: dict[str, Any] = super().get_environ()
        environ["chat.handler"] = self
        if "HTTP_UPGRADE" in environ or self._connection_upgrade_requested():
            self.close_connection = True
        elif self.content_length or self.wsgi_input.chunked_input:
            self.wsgi_input = environ["wsgi.input"] = _TimedInput(self.wsgi_input, self)
        return environ

    def finalize_headers(self) -> None:
        names = {name.lower() for name, _ in self.response_headers}
        if self.close_connection and b"connection" not in names:
            self.response_headers.append((b"Connection", b"close"))
        super().finalize_headers()

    def log_request(self) -> None:
        """Log nothing: metrics count requests, and addresses may hold tickets."""

    def log_error(self, msg: str, *args: object) -> None:
        told = (msg % args if args else msg)[:_TOLD_CHARACTERS]
        log.warning("http_request_refused: %s", told, extra={"action": "read_request"})

    def handle_error(self, t: type[BaseException], v: BaseException, tb: TracebackType) -> None:
        if self.socket is None:  # detached: no answer can follow
            super()._log_error(t, v, tb)
        elif issubclass(t, TimeoutError):
            self.close_connection = True
        else:
            super().handle_error(t, v, tb)

    def _handle_client_error(self, ex: Exception) -> tuple[str, bytes]:
        if self._is_given_up or isinstance(ex, OSError):
            return ("400", _BAD_REQUEST)  # it went away while it was asking
        if not isinstance(ex, ValueError | HTTPException):
            log.error("http_request_unread", exc_info=ex, extra={"action": "read_request"})
            return ("400", _BAD_REQUEST)
        reason = _BEFORE_QUOTE.match(str(ex))
        self.log_error("%s from %s", (reason and reason[0]) or type(ex).__name__, self.client_address)
        return ("431", _HEADERS_TOO_LARGE) if isinstance(ex, HeadersTooLarge) else ("400", _BAD_REQUEST)

    def _sendall(self, data: bytes) -> None:
        self.begin_waiting()
        try:
            super()._sendall(data)
        finally:
            self.server.waiting.leave(self)

    def _end_head_timeout(self) -> None:
        if self._head_timeout is not None:
            self._head_timeout.close()


def _is_ambiguous(headers: HTTPMessage) -> bool:
    """Tell whether a proxy may see another end of the request, or another host, than this server: smuggling."""
    codings = [each.strip().lower() for each in headers.get_all("transfer-encoding", [])]
    lengths = [each.strip() for each in headers.get_all("content-length", [])]
    return (
        any(isinstance(each, NO_HEADER) for each in headers.defects)
        or len(codings + lengths) > 1
        or codings not in ([], ["chunked"])
        or not all(each.isascii() and each.isdigit() for each in lengths)
        or len(headers.get_all("host", [])) > 1
    )


class _TimedInput(pywsgi.Input):  # type: ignore[misc]
    """A request's body that must be in by a deadline; a late one gets 408 and ends the connection, as does
    one that breaks off.
    """

    __slots__ = ("_deadline", "_handler", "_is_lost")

    def __init__(self, plain: pywsgi.Input, handler: ChatWSGIHandler) -> None:
        super().__init__(plain.rfile, plain.content_length, plain.socket, plain.chunked_input)
        self._deadline = monotonic() + handler.request_timeout_s
        self._handler = handler
        self._is_lost = False

    def _discard(self) -> None:
        if not self._is_lost:
            with suppress(RequestTimeout, ClientDisconnected):
                super()._discard()

    def _do_read(self, length: int | None = None, use_readline: bool = False) -> bytes:
        return self._in_time(super()._do_read, length, use_readline)

    def _chunked_read(self, length: int | None = None, use_readline: bool = False) -> bytes:
        return self._in_time(super()._chunked_read, length, use_readline)

    def _in_time(self, read: Any, length: int | None, use_readline: bool) -> bytes:
        self._handler.begin_waiting()
        try:
            with gevent.Timeout(max(0.001, self._deadline - monotonic()), RequestTimeout):
                data: bytes = read(length, use_readline)
                return data
        except RequestTimeout:
            self._is_lost = self._handler.close_connection = True
            raise
        except OSError as exc:  # it went away, or its chunks are none
            self._is_lost = self._handler.close_connection = True
            raise ClientDisconnected from exc
        finally:
            self._handler.server.waiting.leave(self._handler)


class ChatWSGIServer(pywsgi.WSGIServer):  # type: ignore[misc]
    """The server of one process: no access log, errors as log lines."""

    handler_class = ChatWSGIHandler

    def __init__(self, listener: gevent_socket, application: Any, **options: Any) -> None:
        host, port = listener.getsockname()[:2]
        environ = {"SERVER_NAME": host, "SERVER_PORT": str(port)}  # else pywsgi asks DNS for it at start
        self.waiting = Waiting(waiting_limit())
        options = {"log": None, "error_log": log, "environ": environ} | options
        super().__init__(listener, application, **options)


def make_listener(host: str, port: int, reuse_port: bool = True, backlog: int = 1024) -> gevent_socket:
    """Listen on one address. With `reuse_port` several processes share it and the kernel spreads the clients.

    Raises: OSError when the address can't be had.
    """
    family, kind, proto, _, address = socket_module.getaddrinfo(
        host, port, type=socket_module.SOCK_STREAM, flags=socket_module.AI_PASSIVE
    )[0]
    listener = gevent_socket(family, kind, proto)
    try:
        listener.setsockopt(socket_module.SOL_SOCKET, socket_module.SO_REUSEADDR, 1)
        if reuse_port:
            listener.setsockopt(socket_module.SOL_SOCKET, socket_module.SO_REUSEPORT, 1)
        # Accepted sockets inherit it: with Nagle on, p99 was 42 ms instead of 0.9.
        listener.setsockopt(socket_module.IPPROTO_TCP, socket_module.TCP_NODELAY, 1)
        listener.bind(address)
        listener.listen(backlog)
    except BaseException:
        listener.close()
        raise
    return listener
