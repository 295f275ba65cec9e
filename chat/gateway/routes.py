"""The HTTP side: what answers which request, once the gate has let it in."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint, Flask, g

from chat.gateway import catalogue, cors, echo, handshake, metrics, pages
from chat.gateway.connection import Connection, ConnectionCallbacks, ConnectionLimits
from chat.gateway.gate import Gate
from chat.gateway.guests import Guests
from chat.gateway.heartbeat import Heartbeat
from chat.gateway.identity import Identity
from chat.gateway.lobby import Lobby
from chat.gateway.rest import descriptions, dev, probes, problems, revocations, tickets
from chat.gateway.session import Session
from chat.gateway.stats import Readiness, Stats

BODY_LIMIT_BYTES = 1024 * 1024


def create_app(
    gate: Gate,
    lobby: Lobby,
    heartbeat: Heartbeat,
    limits: ConnectionLimits,
    more_routes: Iterable[Blueprint],
    stats: Stats,
    readiness: Readiness,
) -> Flask:
    """Return the Flask app."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT_BYTES
    problems.install(app)
    cors.install(app, gate.allowed_origins)
    app.before_request(gate.admit)
    app.register_blueprint(tickets.blueprint(gate.tickets))
    app.register_blueprint(revocations.blueprint(gate.revocations))
    is_dev = gate.authenticator.is_dev
    app.register_blueprint(descriptions.blueprint(lambda: catalogue.openapi_document(is_dev=is_dev)))
    for each in more_routes:
        app.register_blueprint(each)
    if is_dev:
        app.register_blueprint(dev.blueprint(gate.authenticator))
    _add_sockets(app, gate, lobby, heartbeat, limits)
    app.register_blueprint(pages.blueprint("dev" if is_dev else "jwt"))
    app.register_blueprint(metrics.blueprint(stats.figures))
    app.register_blueprint(probes.blueprint(stats, readiness))
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

    guests = Guests(gate.doorway, callbacks, limits.frame_limit_bytes)

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
            if g.identity.is_guest:
                guests.listen(connection)

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
