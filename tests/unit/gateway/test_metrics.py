from __future__ import annotations

from typing import Any

from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from chat.errors import BrokerUnavailable
from chat.gateway import metrics

FIGURES: dict[str, Any] = {
    "connectedUsers": 2,
    "totalSockets": 3,
    "activeChatRooms": 1,
    "servers": 1,
    "deliveries": 40,
    "cache": {"hits": 9, "misses": 1, "hitRate": 0.9},
    "deliveryLatencyMs": {"p50": 1.5, "p95": 2.0, "p99": 4.0},
    "confirmationLatencyMs": {"p50": None, "p95": None, "p99": None},
    "outboxLength": 5,
    "messagesAccepted": 12,
    "messagesConfirmed": 6,
    "messagesRetracted": 1,
    "work": {"store_round_trips": 3, "presence_swept": 2},
    "push": {"waiting": {"fcm": 4}, "stopped": {"fcm": 1}, "dead": {"fcm": 2}},
}


def ask(collect: Any, accept: str = "") -> tuple[str, dict[tuple[str, str], float]]:
    app = Flask(__name__, static_folder=None)
    app.register_blueprint(metrics.blueprint(collect))
    response = app.test_client().get("/metrics", headers={"Accept": accept})
    assert response.status_code == 200
    samples = [each for family in text_string_to_metric_families(response.text) for each in family.samples]
    labels = [each.labels.get("quantile", each.labels.get("kind", "")) for each in samples]
    told = {(each.name, label): each.value for each, label in zip(samples, labels, strict=True)}
    return str(response.content_type), told


def test_every_figure_is_told_under_its_own_name() -> None:
    _, told = ask(lambda: FIGURES)
    chats = {key: value for key, value in told.items() if key[0].startswith("chat_")}
    assert chats == {
        ("chat_redis_up", ""): 1,
        ("chat_connected_users", ""): 2,
        ("chat_sockets", ""): 3,
        ("chat_active_rooms", ""): 1,
        ("chat_servers", ""): 1,
        ("chat_outbox_messages", ""): 5,
        ("chat_deliveries_total", ""): 40,
        ("chat_messages_accepted_total", ""): 12,
        ("chat_messages_confirmed_total", ""): 6,
        ("chat_messages_retracted_total", ""): 1,
        ("chat_cache_hits_total", ""): 9,
        ("chat_cache_misses_total", ""): 1,
        ("chat_delivery_latency_seconds", "0.50"): 0.0015,
        ("chat_delivery_latency_seconds", "0.95"): 0.002,
        ("chat_delivery_latency_seconds", "0.99"): 0.004,
        ("chat_store_round_trips_total", ""): 3,
        ("chat_presence_swept_total", ""): 2,
        ("chat_push_waiting", "fcm"): 4,
        ("chat_push_provider_stopped", "fcm"): 1,
        ("chat_push_dead_letters", "fcm"): 2,
    }


def test_the_scrape_goes_on_when_redis_can_not_be_reached() -> None:
    def collect() -> dict[str, Any]:
        raise BrokerUnavailable("read counters")

    _, told = ask(collect)
    assert told["chat_redis_up", ""] == 0
    assert ("python_info", "") in told
    assert ("chat_sockets", "") not in told


def test_open_metrics_are_spoken_when_they_are_asked_for() -> None:
    content_type, _ = ask(lambda: FIGURES, accept="application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
