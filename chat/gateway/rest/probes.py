"""`/healthz`, `/readyz` and `/stats`: what operators and their tools ask a server."""

from __future__ import annotations

from typing import Literal

import msgspec
from flask import Blueprint, Response

from chat.gateway.rest.bodies import answer
from chat.gateway.rest.operations import Operation
from chat.gateway.stats import Readiness, Stats


class Alive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Ready(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that a message needs can be reached."""

    status: Literal["ready"] = "ready"


class Unready(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What can't be reached, by part, with the reason."""

    reasons: dict[str, str]
    status: Literal["unready"] = "unready"


class CacheFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Membership questions, answered from a cache or by the store."""

    hits: int
    misses: int
    hit_rate: float | None


class Percentiles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of this server's newest samples, in milliseconds; null while there is none."""

    p50: float | None
    p95: float | None
    p99: float | None


class Reconciled(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What the reconciliation of cached memberships has looked at and mended."""

    caches_checked: int
    caches_mended: int
    memberships_mended: int


class Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Figures of all servers and workers; the latencies are this server's."""

    connected_users: int
    total_sockets: int
    active_chat_rooms: int
    deliveries: int
    servers: int
    cache: CacheFigures
    delivery_latency_ms: Percentiles
    confirmation_latency_ms: Percentiles
    outbox_length: int
    messages_accepted: int
    messages_confirmed: int
    messages_retracted: int
    store_round_trips: int
    drain_tasks: int
    changes_finished: int
    reconciled: Reconciled
    presence_sweeps: int
    presence_expired: int
    unread_drift: int


HEALTHZ = Operation("GET", "/healthz", "isAlive", "Whether the process lives", {200: Alive}, is_open=True)
READYZ = Operation(
    "GET",
    "/readyz",
    "isReady",
    "Whether Redis, store and broker can be reached",
    {200: Ready, 503: Unready},
    is_open=True,
)
STATS = Operation("GET", "/stats", "getStats", "Figures", {200: Figures}, refusals=(503,), is_open=True)


def blueprint(stats: Stats, readiness: Readiness) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("probes", __name__)

    @HEALTHZ.on(routes)
    def healthz() -> Response:
        return answer(Alive())

    @READYZ.on(routes)
    def readyz() -> Response:
        faults = readiness.faults()
        return answer(Unready(faults), 503) if faults else answer(Ready())

    @STATS.on(routes)
    def show_stats() -> Response:
        return answer(stats.collect())

    return routes
