"""The HTTP side: who may come in is decided here, before a handshake is answered."""

from __future__ import annotations

import json
from dataclasses import dataclass

from flask import Flask, Response, g, request

from chat.errors import Unauthenticated
from chat.gateway import handshake
from chat.gateway.connection import Connection, ConnectionCallbacks, ConnectionLimits
from chat.gateway.identity import Authenticator, check_origin, guest
from chat.gateway.lobby import Lobby
from chat.gateway.rest import dev, problems
from chat.gateway.rest import rooms as rest_rooms
from chat.gateway.session import Session
from chat.gateway.stats import Readiness, Stats
from chat.services.rooms import Rooms

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Chat backend</title>
<h1>Chat backend</h1><p>This server speaks WebSocket here and at <code>/ws</code>.
See <a href="/readyz">readyz</a> and <a href="/stats">stats</a>; the protocol is in the README.</p>"""
BODY_LIMIT_BYTES = 1024 * 1024
CREDENTIAL_HEADERS = ("Authorization", "Sec-WebSocket-Protocol")


@dataclass(frozen=True, slots=True)
class Gate:
    """What decides on a request's entry."""

    authenticator: Authenticator
    allowed_origins: tuple[str, ...]

    def admit(self) -> None:
        """Set `g.identity` (None without a token); raises OriginRefused, Unauthenticated."""
        is_upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
        if is_upgrade:
            check_origin(request.headers.get("Origin"), request.host, self.allowed_origins)
        g.identity = self.authenticator.identify(_credentials()) if _needs_identity(is_upgrade) else None
        if is_upgrade and g.identity is None:
            if not self.authenticator.is_dev:
                raise Unauthenticated(
                    "no token; send Authorization: Bearer … or the subprotocol bearer.<jwt>"
                )
            g.identity = guest()


def create_app(
    gate: Gate,
    lobby: Lobby,
    limits: ConnectionLimits,
    rooms: Rooms,
    stats: Stats,
    readiness: Readiness,
) -> Flask:
    """Return the Flask app."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT_BYTES
    problems.install(app)
    app.before_request(gate.admit)
    app.register_blueprint(rest_rooms.blueprint(rooms))
    if gate.authenticator.is_dev:
        app.register_blueprint(dev.blueprint(gate.authenticator))
    _add_sockets(app, lobby, limits)
    _add_pages(app, stats, readiness)
    return app


def _credentials() -> dict[str, str]:
    return {name: request.headers.get(name, "") for name in CREDENTIAL_HEADERS}


def _needs_identity(is_upgrade: bool) -> bool:
    return is_upgrade or request.path.startswith("/api/")


def _add_sockets(app: Flask, lobby: Lobby, limits: ConnectionLimits) -> None:
    sock = handshake.install(app)
    callbacks = ConnectionCallbacks(
        on_message=lobby.dispatcher.on_message,
        on_binary=lobby.dispatcher.on_binary,
        on_closed=lobby.on_closed,
        on_flood=lobby.on_flood,
        on_overflow=lobby.on_overflow,
    )

    def on_open(connection: Connection) -> None:
        lobby.enter(Session(connection, g.identity))

    for path, endpoint in (("/ws", "ws"), ("/", "ws_root")):
        handshake.websocket_route(sock, path, endpoint, limits=limits, callbacks=callbacks, on_open=on_open)


def _add_pages(app: Flask, stats: Stats, readiness: Readiness) -> None:
    @app.get("/")
    def page() -> Response:
        return Response(PAGE, mimetype="text/html")

    @app.get("/healthz")
    def healthz() -> Response:
        return _json({"status": "ok"})

    @app.get("/readyz")
    def readyz() -> Response:
        faults = readiness.faults()
        return _json({"status": "unready", "reasons": faults}, 503) if faults else _json({"status": "ready"})

    @app.get("/stats")
    def show_stats() -> Response:
        return _json(stats.collect())


def _json(body: object, status: int = 200) -> Response:
    return Response(json.dumps(body), status, mimetype="application/json")
