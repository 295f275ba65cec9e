"""`GET /metrics`: the figures of `/stats` and of this process, as Prometheus reads them.

All that the chat counts is a sum over its servers and workers, so one scrape of any server tells it; the figures
that begin with `process_` and `python_`, and the latencies, are those of the process that answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flask import Blueprint, Request, Response, request
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from chat.errors import BrokerUnavailable
from chat.gateway.rest.operations import Operation

METRICS = Operation(
    "GET",
    "/metrics",
    "getMetrics",
    "The same figures and the process's, for Prometheus",
    {200: ("text/plain", "application/openmetrics-text")},
    is_open=True,
)

GAUGES = {
    "connectedUsers": ("chat_connected_users", "Users with a connection, each counted on every server it is on."),
    "totalSockets": ("chat_sockets", "WebSocket connections."),
    "activeChatRooms": ("chat_active_rooms", "Rooms with a joined connection, counted on every server."),
    "servers": ("chat_servers", "Server processes that are alive."),
    "outboxLength": ("chat_outbox_messages", "Messages that are accepted and not stored yet."),
}
COUNTERS = {
    "deliveries": ("chat_deliveries", "Room events handed to connections, by the servers that are alive."),
    "messagesAccepted": ("chat_messages_accepted", "Messages that were accepted."),
    "messagesConfirmed": ("chat_messages_confirmed", "Messages that were stored."),
    "messagesRetracted": ("chat_messages_retracted", "Messages that were shown and could not be kept."),
}
CACHE = {
    "hits": ("chat_cache_hits", "Membership questions answered from a cache."),
    "misses": ("chat_cache_misses", "Membership questions that went to the store."),
}
PUSHES = {
    "waiting": ("chat_push_waiting", "Notifications that wait for a push provider, or for their next try."),
    "stopped": ("chat_push_provider_stopped", "Push services that are left alone because they fail."),
    "dead": ("chat_push_dead_letters", "Notifications that were given up and are kept."),
}
LATENCIES = {
    "deliveryLatencyMs": ("chat_delivery_latency_seconds", "From accepting a message to handing it to writers."),
    "confirmationLatencyMs": ("chat_confirmation_latency_seconds", "From accepting a message to its confirmation."),
}


class ChatCollector(Collector):
    """The chat's own figures, read anew for every scrape."""

    def __init__(self, collect: Callable[[], dict[str, Any]]) -> None:
        self._collect = collect

    def collect(self) -> Iterator[Metric]:
        """Return the figures; without Redis only that it can't be reached."""
        up = GaugeMetricFamily("chat_redis_up", "1 when the figures could be read from Redis.")
        try:
            told = self._collect()
        except BrokerUnavailable:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from _families(told)


def blueprint(collect: Callable[[], dict[str, Any]]) -> Blueprint:
    """Return the route; `collect` returns what `/stats` tells."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ChatCollector(collect))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    routes = Blueprint("metrics", __name__)

    @METRICS.on(routes)
    def metrics() -> Response:
        return _exposition(registry, request)

    return routes


def _exposition(registry: CollectorRegistry, asked: Request) -> Response:
    encode, content_type = choose_encoder(asked.headers.get("Accept", ""))
    return Response(encode(registry), content_type=content_type)


def _families(told: dict[str, Any]) -> Iterator[Metric]:
    for name, (metric, about) in GAUGES.items():
        yield GaugeMetricFamily(metric, about, value=told[name])
    for name, (metric, about) in COUNTERS.items():
        yield CounterMetricFamily(metric, about, value=told[name])
    for name, (metric, about) in CACHE.items():
        yield CounterMetricFamily(metric, about, value=told["cache"][name])
    for name, (metric, about) in LATENCIES.items():
        yield _latency(metric, about, told[name].items())
    for name, (metric, about) in PUSHES.items():
        family = GaugeMetricFamily(metric, about, labels=["kind"])
        for kind, number in told["push"][name].items():
            family.add_metric([kind], number)
        yield family
    for name, value in sorted(told["work"].items()):
        about = f"{name.replace('_', ' ')}, counted by the workers.".capitalize()
        yield CounterMetricFamily(f"chat_{name}", about, value=value)


def _latency(metric: str, about: str, percentiles: Iterable[tuple[str, float | None]]) -> Metric:
    family = GaugeMetricFamily(metric, f"{about} Of this process's newest 10,000.", labels=["quantile"])
    for name, milliseconds in percentiles:
        if milliseconds is not None:
            family.add_metric([f"0.{name.removeprefix('p')}"], milliseconds / 1000)
    return family
