"""The only place that picks adapters: settings in, connected parts out. Nothing connects before its first use."""

from __future__ import annotations

from dataclasses import dataclass

import redis

from chat.broker.client import RedisAddress, connect
from chat.broker.counters import Counters
from chat.broker.log import RedisRoomLog
from chat.broker.marks import Askings, Recounts, threads
from chat.broker.members import RedisMembers
from chat.broker.presence_view import RedisPresenceView
from chat.broker.reading import RedisReading
from chat.broker.revocations import RedisRevocations
from chat.broker.tickets import RedisTickets
from chat.broker.unread_counters import UnreadCounters
from chat.broker.wire_asking import WireAsking
from chat.model.device import DeviceKind
from chat.push.base import Provider
from chat.push.providers import open_providers
from chat.store.base import Store
from chat.store.url import open_store
from config.settings import Settings

DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"  # where a part looks when it is started without `make run`


@dataclass(frozen=True, slots=True)
class Broker:
    """The Redis side, over one client."""

    address: RedisAddress
    client: redis.Redis
    log: RedisRoomLog
    members: RedisMembers
    counters: Counters
    tickets: RedisTickets
    revocations: RedisRevocations
    presence_view: RedisPresenceView
    reading: RedisReading
    recounts: Recounts
    unread_counters: UnreadCounters
    threads: Askings


def redis_address(settings: Settings) -> RedisAddress:
    """Return where the chat's Redis is."""
    return RedisAddress(
        settings.redis.url or DEFAULT_REDIS_URL,
        settings.redis.socket_timeout_s,
        settings.redis.connect_timeout_s,
    )


def broker_of(settings: Settings) -> Broker:
    """Return the chat's Redis adapters."""
    address = redis_address(settings)
    client = connect(address)
    return Broker(
        address,
        client,
        RedisRoomLog(client),
        RedisMembers(client),
        Counters(client),
        RedisTickets(client),
        RedisRevocations(client, keep_s=settings.auth.revocation_s),
        RedisPresenceView(client),
        RedisReading(client, WireAsking(address)),
        Recounts(client),
        UnreadCounters(client),
        threads(client),
    )


def task_broker_of(settings: Settings) -> redis.Redis:
    """Return a client of Celery's broker, which may be another Redis, to see whether it is there."""
    address = redis_address(settings)
    url = settings.celery.broker_url or address.url
    return connect(RedisAddress(url, address.socket_timeout_s, address.connect_timeout_s), size=4)


def store_of(settings: Settings) -> Store:
    """Return the document store."""
    return open_store(settings.store.url, settings.store.durability)


def push_providers(settings: Settings) -> dict[DeviceKind, Provider]:
    """Return the push providers that are configured. Raises: SettingError for a key that can't be used."""
    return open_providers(settings.push)
