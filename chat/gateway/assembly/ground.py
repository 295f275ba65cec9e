"""What all parts of a server stand on: its id, Redis, the store, its hub and its relay. Nothing connects yet."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import redis

from chat import bootstrap
from chat.broker.client import translated
from chat.broker.wire import Wire
from chat.gateway.relay import Relay
from chat.gateway.writer import write_all
from chat.hub import Hub
from chat.protocol.frames import text_frame
from chat.services.batch_notes import BatchNotes
from chat.services.cold_start import ColdStart
from chat.store.base import Store
from chat.store.offloaded import OffloadedStore
from config.settings import Settings


@dataclass(frozen=True, slots=True)
class Ground:
    """Parts that know of no other."""

    settings: Settings
    node_id: str
    broker: bootstrap.Broker
    store: Store
    cold_start: ColdStart
    hub: Hub
    relay: Relay
    publish: Callable[[str, bytes], None]  # a payload in a channel; raises BrokerUnavailable


def ground_of(settings: Settings) -> Ground:
    """Return what a server of these settings stands on."""
    node_id = secrets.token_hex(6)
    broker = bootstrap.broker_of(settings)
    store = OffloadedStore(bootstrap.store_of(settings))
    notes = BatchNotes(store, broker.threads.mark, broker.reading.note_mentions)
    cold_start = ColdStart(broker.log, store, notes.newest)
    publish = partial(_publish, broker.client)
    relay = Relay(Wire(broker.address), publish, node_id)
    hub = Hub(write_all, text_frame, node_id)
    return Ground(settings, node_id, broker, store, cold_start, hub, relay, publish)


def _publish(client: redis.Redis, channel: str, payload: bytes) -> None:
    with translated("publish"):
        client.publish(channel, payload)
