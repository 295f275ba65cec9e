"""The WebSocket handshake through stock Flask-Sock, and the moment the socket leaves the HTTP server.

Before this step: `routes.py` let the request in (identity, Origin). After it: the 101 is sent, the route's
greenlet is about to end, and a `Connection` reads the socket. A handshake that can't be answered with 101
gets 400 (or 426 for another version of the protocol) with one clear line.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, Self

from flask import Flask, Response, request
from flask_sock import Sock
from simple_websocket import ConnectionError as HandshakeRefused
from simple_websocket import Server
from wsproto.events import RejectConnection
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from chat.gateway.connection import INTERNAL_ERROR, Connection, ConnectionCallbacks, ConnectionLimits
from chat.gateway.wsgi import ChatWSGIHandler

SUBPROTOCOL = "chat.v1"
VERSION = "13"  # RFC 6455's, the only one
KEY_BYTES = 16

log = logging.getLogger(__name__)


class _NoThread:
    """Takes the place of simple-websocket's reading thread and of its event: `Connection` reads."""

    name = ""

    def __init__(self, target: object = None) -> None:
        """Forget the target."""

    def start(self) -> None:
        """Start nothing."""

    def set(self) -> None:
        """Wake nobody."""


class _HandshakeSocket:
    """The handler's socket as simple-websocket may use it: to send the 101, and not to duplicate.

    A duplicate would keep the client's TCP open after a refused handshake until the garbage collector came
    by, and a duplicate of a closed descriptor costs the loop dear: see `ChatWSGIHandler.detach`.
    """

    def __init__(self, handler: ChatWSGIHandler) -> None:
        self._handler = handler

    @property
    def raw(self) -> Self:
        return self  # environ["wsgi.input"].raw._sock is where simple-websocket looks

    @property
    def _sock(self) -> Self:
        return self

    def dup(self) -> Self:
        return self  # simple-websocket asks for a duplicate, and works with what it gets

    def send(self, data: bytes) -> int:
        self._handler.socket.sendall(data)
        return len(data)


def install(app: Flask) -> Sock:
    """Prepare an app for `websocket_route`: Flask-Sock answers the subprotocol and starts no thread."""
    app.config["SOCK_SERVER_OPTIONS"] = {
        "subprotocols": [SUBPROTOCOL],
        "thread_class": _NoThread,
        "event_class": _NoThread,
    }
    return Sock(app)


def websocket_route(
    sock: Sock,
    path: str,
    endpoint: str,
    *,
    limits: ConnectionLimits,
    callbacks: ConnectionCallbacks,
    on_open: Callable[[Connection], None],
) -> None:
    """Serve WebSockets at `path`; a plain page may share it.

    `on_open` runs in the request's greenlet and context, after the 101 and before the first byte is read:
    it may wait, read `flask.g`, set `connection.context` and send a welcome. If it raises, the connection
    closes with 1011. From then on `callbacks` are called, `on_closed` always.
    """

    def accept(ws: Server, **_view_args: object) -> None:
        ws.connected = False  # so Flask-Sock's own close, when this returns, sends nothing
        detached, early = request.environ["chat.handler"].detach()
        connection = Connection(detached, limits, callbacks)
        try:
            on_open(connection)
        except Exception:
            told = {"action": "open", "connection_id": connection.connection_id}
            log.exception("connection_failed", extra=told)
            connection.close(INTERNAL_ERROR, "internal error")
        connection.start(early)

    sock.route(path, endpoint=endpoint)(accept)
    app: Flask = sock.app
    app.view_functions[endpoint] = _refusing_politely(app.view_functions[endpoint])


def _refusing_politely(view: Callable[..., Any]) -> Callable[..., Any]:
    """Answer a bad handshake with its reason, where Flask-Sock alone would let it end as a 500."""

    @wraps(view)
    def handshake(**view_args: object) -> Any:
        environ = request.environ
        if "chat.handler" not in environ:
            raise RuntimeError("WebSockets need ChatWSGIHandler: serve this app with ChatWSGIServer")
        if request.content_length or "HTTP_TRANSFER_ENCODING" in environ:
            return _refuse("a WebSocket handshake has no body")
        if environ["SERVER_PROTOCOL"] == "HTTP/1.0":
            return _refuse("a WebSocket handshake needs HTTP/1.1")
        if not _is_key(environ.get("HTTP_SEC_WEBSOCKET_KEY", "")):
            return _refuse("Sec-WebSocket-Key must be 16 bytes in base64")
        environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)  # no compression: hundreds of KB each, zip bombs
        environ["wsgi.input"] = _HandshakeSocket(environ["chat.handler"])
        try:
            return view(**view_args)
        except RemoteProtocolError as exc:
            hint = exc.event_hint
            if isinstance(hint, RejectConnection) and hint.status_code == 426:
                return _refuse(f"only version {VERSION} of the WebSocket protocol is spoken here", 426)
            return _refuse(str(exc))
        except (LocalProtocolError, HandshakeRefused, UnicodeError):
            return _refuse("this is no WebSocket handshake")

    return handshake


def _is_key(text: str) -> bool:
    """Tell whether it is what RFC 6455 (4.2.1) wants; another one comes of no WebSocket client."""
    try:
        return len(base64.b64decode(text.strip(), validate=True)) == KEY_BYTES
    except ValueError:
        return False


def _refuse(reason: str, status: int = 400) -> Response:
    headers = {"Sec-WebSocket-Version": VERSION}
    if status == 426:
        headers["Upgrade"] = "websocket"
    return Response(f"{reason}\n", status, headers, mimetype="text/plain")
