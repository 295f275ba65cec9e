"""What answers over HTTP: the blueprints of the REST API, and what is asked whether the server is ready."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import redis
from flask import Blueprint, Flask

from chat import bootstrap
from chat.broker.client import translated
from chat.broker.store_fault import StoreFault
from chat.errors import BrokerUnavailable, StoreError
from chat.gateway.assembly.ground import Ground
from chat.gateway.assembly.limits import connection_limits
from chat.gateway.assembly.parts import Parts
from chat.gateway.assembly.push import push_routes
from chat.gateway.heartbeat import Heartbeat
from chat.gateway.lobby import Lobby
from chat.gateway.rest import me, members, messages, pins, presence, reading, rooms, threads
from chat.gateway.routes import create_app
from chat.gateway.stats import Readiness, Stats
from chat.store.base import Store


def app_of(parts: Parts, lobby: Lobby, heartbeat: Heartbeat, stats: Stats) -> Flask:
    """Return the Flask app."""
    ground = parts.ground
    return create_app(
        parts.gate,
        lobby,
        heartbeat,
        connection_limits(ground.settings.limits),
        _blueprints_of(parts),
        stats,
        Readiness(_probes_of(ground), ground.relay),
    )


def _blueprints_of(parts: Parts) -> list[Blueprint]:
    of_rooms, stored, of_reading = parts.rooms, parts.stored, parts.reading
    return [
        rooms.blueprint(of_rooms.rooms, of_rooms.changes, of_rooms.listed),
        members.blueprint(of_rooms.changes),
        presence.blueprint(parts.presence),
        messages.blueprint(of_rooms.membership, stored.history, parts.accepting.posting, stored.amending),
        reading.blueprint(of_reading.reading, of_rooms.rooms),
        threads.blueprint(stored.thread_pages),
        pins.blueprint(of_rooms.membership, stored.pins),
        me.blueprint(of_reading.preferences),
        *push_routes(parts),
    ]


def _probes_of(ground: Ground) -> dict[str, Callable[[], object]]:
    client, task_broker = ground.broker.client, bootstrap.task_broker_of(ground.settings)
    return {
        "redis": lambda: _ping(client),
        "broker": lambda: _ping(task_broker),
        "store": lambda: _ask_store(ground.store, StoreFault(client)),
    }


def _ask_store(store: Store, fault: StoreFault) -> None:
    """Read, and ask whether drains can write; Redis has a probe of its own."""
    store.ping()
    with suppress(BrokerUnavailable):
        if reason := fault.told():
            raise StoreError(reason)


def _ping(client: redis.Redis) -> None:
    with translated("ping"):
        client.ping()
