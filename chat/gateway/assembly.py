"""Puts a server process together from settings: who works with whom, in one place."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import gevent
import redis

from chat import bootstrap
from chat.broker import keys
from chat.broker.client import translated
from chat.broker.group_commit import GroupCommit
from chat.broker.rates import RedisRates
from chat.broker.wake import wake_drain
from chat.broker.wire import Wire
from chat.gateway import expiry
from chat.gateway.admission import Admission
from chat.gateway.connection import ConnectionLimits
from chat.gateway.dispatcher import Dispatcher
from chat.gateway.doorway import Doorway
from chat.gateway.gate import Gate
from chat.gateway.heartbeat import Heartbeat
from chat.gateway.identity import Authenticator
from chat.gateway.identity.jwks import PublishedKeys
from chat.gateway.identity.tickets import Tickets
from chat.gateway.joining import Joining
from chat.gateway.lobby import Lobby
from chat.gateway.nudge import Nudge
from chat.gateway.rate import JoinRate, UserRate
from chat.gateway.reading import Reading
from chat.gateway.recounter import Recounter
from chat.gateway.relay import Relay
from chat.gateway.revocations import Revocations
from chat.gateway.rooms import LocalRooms
from chat.gateway.routes import create_app
from chat.gateway.sending import Sending
from chat.gateway.server import ChatServer
from chat.gateway.settler import Settler
from chat.gateway.shared_rate import SharedRate
from chat.gateway.stats import Readiness, Stats
from chat.gateway.typing import Typing
from chat.gateway.writer import write_all
from chat.hub import Hub
from chat.protocol import codec
from chat.protocol.frames import text_frame
from chat.services.accept import AcceptService
from chat.services.cold_start import ColdStart
from chat.services.drafting import Drafting
from chat.services.fates import Fates
from chat.services.history import History
from chat.services.membership import Membership
from chat.services.preferences import Preferences
from chat.services.rooms import Rooms
from chat.services.seen import Seen
from chat.services.unread import Unread
from chat.store.base import Store
from chat.store.offloaded import OffloadedStore
from config.settings import Settings

SEEN_PAUSE_S = 0.25  # between two wake-ups: a cursor that is raised often is stored a few times a second


@dataclass(frozen=True, slots=True)
class WakeUps:
    """What sends the tasks that a server wakes."""

    drain: Callable[[], object]
    seen: Callable[[], object]
    recount: Callable[[], object]


def build(settings: Settings, wake_ups: WakeUps) -> ChatServer:
    """Put a server together; nothing is connected yet."""
    node_id = secrets.token_hex(6)
    broker = bootstrap.broker_of(settings)
    store = OffloadedStore(bootstrap.store_of(settings))

    cold_start = ColdStart(broker.log, store)
    rate = _shared_rate(settings.limits.messages_per_s, broker, node_id)
    domain_rooms = Rooms(store, member_limit=settings.limits.room_members)
    membership = Membership(domain_rooms, broker.members, is_dev=settings.auth.is_dev)
    nudge = Nudge(lambda: wake_drain(broker.client, wake_ups.drain))
    seen_nudge = Nudge(
        lambda: wake_drain(broker.client, wake_ups.seen, lease=keys.SEEN_LEASE), pause_s=SEEN_PAUSE_S
    )
    recounter = Recounter(
        broker.recounts,
        broker.unread_counters.has_total,
        lambda: wake_drain(broker.client, wake_ups.recount, lease=keys.RECOUNT_LEASE),
    )
    commit = GroupCommit(
        broker.address, outbox_limit=settings.limits.outbox_limit, log_length=settings.path.log_length
    )

    hub = Hub(write_all, text_frame)
    unconfirmed = hub.unconfirmed
    settler = Settler(hub, unconfirmed, broker.log, store, nudge)
    rooms = LocalRooms(hub, broker.log, cold_start.locate, lambda room: lobby.on_unresumable(room), settler.kick)
    relay = Relay(
        Wire(broker.address),
        lambda channel, payload: _publish(broker.client, channel, payload),
        node_id,
        on_lost=lambda: on_lost(),
        on_again=rooms.subscribed_again,
        on_turn=hub.flush,
    )
    revocations = Revocations(broker.revocations, hub)
    authenticator = _authenticator(settings, revocations)
    preferences = Preferences(
        store,
        lambda user_id: relay.is_connected and hub.has_user(user_id),
        lambda user_id: _publish(broker.client, keys.user_channel(user_id), b"settings"),
    )

    def on_lost() -> None:
        rooms.connection_lost()
        preferences.forget_all()

    def on_raised(user_id: str, room_id: str) -> None:
        seen_nudge()
        recounter.seen(user_id, room_id)

    seen = Seen(broker.reading, store, cold_start.locate, preferences.reads_in_private, on_raised, recounter.asked)
    unread = Unread(broker.reading, store)
    reading = Reading(hub, membership, seen, unread, recounter.asked)
    typing = Typing(hub, membership, broker.typing.tell)
    dispatcher = Dispatcher(
        hub,
        membership,
        Sending(
            _drafting(settings),
            AcceptService(commit, cold_start.warm, gevent.spawn),
            rate,
            unconfirmed,
            store,
            nudge,
        ),
        Joining(rooms, broker.log),
        History(broker.log, store, cold_start.locate),
        Fates(broker.log, cold_start.locate),
        settings.limits.rooms_per_socket,
        JoinRate(settings.limits.joins_per_s),
        lambda session, token: expiry.refresh(session, authenticator.verify(token)),
        quick={codec.Typing: typing.act},
        slow={
            codec.Typing: typing.act_slowly,
            codec.MarkSeen: reading.mark,
            codec.GetUnread: reading.get_unread,
        },
        on_sent=typing.stop,
        on_left=typing.stop,
        standings=reading.standings,
    )
    lobby = Lobby(hub, relay, dispatcher, _told_limits(settings), unconfirmed.sender_told, _admission(settings))
    lobby.on_gone = typing.gone
    lobby.on_user_event[b"unread"] = reading.hear
    lobby.on_user_event[b"settings"] = lambda user_id, _: preferences.forget(user_id)
    heartbeat = Heartbeat(settings.web.ping_after_s, settings.web.heartbeat_timeout_s)
    stats = Stats(node_id, hub, rooms, membership, broker.counters)
    gate = _gate(settings, broker, authenticator, revocations)
    app = create_app(
        gate,
        lobby,
        heartbeat,
        _connection_limits(settings),
        domain_rooms,
        stats,
        Readiness(_probes(settings, broker, store), relay),
        reading,
        preferences,
    )
    return ChatServer(
        settings,
        app,
        commit,
        relay,
        rooms,
        settler,
        nudge,
        lobby,
        heartbeat,
        stats,
        gate,
        rate,
        typing,
        seen_nudge,
        recounter,
    )


def _drafting(settings: Settings) -> Drafting:
    return Drafting(content_limit_bytes=settings.limits.content_limit_bytes, give_up_s=settings.path.give_up_s)


def _admission(settings: Settings) -> Admission:
    limits = settings.limits
    return Admission(limits.sockets_per_user, limits.sockets_per_address, settings.auth.is_dev)


def _connection_limits(settings: Settings) -> ConnectionLimits:
    return ConnectionLimits(
        frame_limit_bytes=settings.limits.frame_limit_bytes,
        backlog_limit_bytes=settings.limits.backlog_limit_bytes,
        max_frames_per_s=settings.limits.frames_per_s,
    )


def _gate(
    settings: Settings, broker: bootstrap.Broker, authenticator: Authenticator, revocations: Revocations
) -> Gate:
    return Gate(
        authenticator,
        settings.web.allowed_origins,
        Tickets(broker.tickets, authenticator),
        revocations,
        Doorway(authenticator.verify),
        settings.web.trusted_proxies,
        UserRate(settings.limits.rest_per_s, noun="requests"),
    )


def _probes(settings: Settings, broker: bootstrap.Broker, store: Store) -> dict[str, Callable[[], object]]:
    task_broker = bootstrap.task_broker_of(settings)
    return {
        "redis": lambda: _ping(broker.client),
        "broker": lambda: _ping(task_broker),
        "store": store.ping,
    }


def _authenticator(settings: Settings, revocations: Revocations) -> Authenticator:
    auth = settings.auth
    keys = PublishedKeys(auth.jwks_url, auth.jwks_refetch_s) if auth.jwks_url else None
    return Authenticator(auth.secret, auth.is_dev, auth.issuer, auth.audience, keys, revocations.refuses)


def _shared_rate(per_s: int, broker: bootstrap.Broker, node_id: str) -> SharedRate:
    local = UserRate(per_s)
    rates = RedisRates(broker.client, per_s=per_s, burst_s=local.burst_s)
    return SharedRate(local, rates, lambda: 1 + len(broker.counters.others(node_id)))


def _told_limits(settings: Settings) -> dict[str, int]:
    limits = settings.limits
    return {
        "messagesPerSecond": limits.messages_per_s,
        "framesPerSecond": limits.frames_per_s,
        "joinsPerSecond": limits.joins_per_s,
        "socketsPerUser": limits.sockets_per_user,
        "restPerSecond": limits.rest_per_s,
        "frameBytes": limits.frame_limit_bytes,
        "contentBytes": limits.content_limit_bytes,
        "roomsPerSocket": limits.rooms_per_socket,
    }


def _ping(client: redis.Redis) -> None:
    with translated("ping"):
        client.ping()


def _publish(client: redis.Redis, channel: str, payload: bytes) -> None:
    with translated("publish"):
        client.publish(channel, payload)
