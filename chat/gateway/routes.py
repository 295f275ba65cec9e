"""The HTTP side: what answers which request, once the gate has let it in."""

from __future__ import annotations

import json

from flask import Flask, Response, g

from chat.gateway import cors, echo, handshake, pages
from chat.gateway.connection import Connection, ConnectionCallbacks, ConnectionLimits
from chat.gateway.gate import Gate
from chat.gateway.heartbeat import Heartbeat
from chat.gateway.identity import Identity
from chat.gateway.lobby import Lobby
from chat.gateway.reading import Reading
from chat.gateway.rest import dev, me, problems, revocations, tickets
from chat.gateway.rest import reading as rest_reading
from chat.gateway.rest import rooms as rest_rooms
from chat.gateway.session import Session
from chat.gateway.stats import Readiness, Stats
from chat.services.preferences import Preferences
from chat.services.rooms import Rooms

BODY_LIMIT_BYTES = 1024 * 1024


def create_app(
    gate: Gate,
    lobby: Lobby,
    heartbeat: Heartbeat,
    limits: ConnectionLimits,
    rooms: Rooms,
    stats: Stats,
    readiness: Readiness,
    reading: Reading,
    preferences: Preferences,
) -> Flask:
    """Return the Flask app."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT_BYTES
    problems.install(app)
    cors.install(app, gate.allowed_origins)
    app.before_request(gate.admit)
    app.register_blueprint(tickets.blueprint(gate.tickets))
    app.register_blueprint(revocations.blueprint(gate.revocations))
    app.register_blueprint(rest_rooms.blueprint(rooms))
    app.register_blueprint(rest_reading.blueprint(reading, rooms))
    app.register_blueprint(me.blueprint(preferences))
    if gate.authenticator.is_dev:
        app.register_blueprint(dev.blueprint(gate.authenticator))
    _add_sockets(app, gate, lobby, heartbeat, limits)
    app.register_blueprint(pages.blueprint("dev" if gate.authenticator.is_dev else "jwt"))
    _add_probes(app, stats, readiness)
    return app


def _add_sockets(app: Flask, gate: Gate, lobby: Lobby, heartbeat: Heartbeat, limits: ConnectionLimits) -> None:
    sock = handshake.install(app)
    callbacks = ConnectionCallbacks(
        on_message=lobby.dispatcher.on_message,
        on_binary=lobby.dispatcher.on_binary,
        on_closed=lobby.on_closed,
        on_flood=lobby.on_flood,
        on_overflow=lobby.on_overflow,
        on_silence=lobby.on_silence,
    )

    def enter(connection: Connection, identity: Identity) -> Session:
        connection.hand_over(callbacks, limits.frame_limit_bytes)
        session = Session(connection, identity)
        lobby.enter(session)
        return session

    def on_open(connection: Connection) -> None:
        connection.address = gate.address()
        heartbeat.watch(connection)
        if g.identity is None:
            gate.doorway.let_wait(connection)
        else:
            enter(connection, g.identity)

    gate.doorway.leads_to(enter)

    for path, endpoint in (("/ws", "ws"), ("/", "ws_root")):
        handshake.websocket_route(sock, path, endpoint, limits=limits, callbacks=callbacks, on_open=on_open)
    if gate.authenticator.is_dev:
        handshake.websocket_route(
            sock,
            "/ws/echo",
            "ws_echo",
            limits=echo.echo_limits(limits),
            callbacks=echo.echo_callbacks(),
            on_open=heartbeat.watch,
        )


def _add_probes(app: Flask, stats: Stats, readiness: Readiness) -> None:
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
