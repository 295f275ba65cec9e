"""One server process, put together from settings and started and stopped in the right order."""

from __future__ import annotations

import gc
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gevent
import redis

from chat import bootstrap
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
from chat.gateway.relay import Relay
from chat.gateway.revocations import Revocations
from chat.gateway.rooms import LocalRooms
from chat.gateway.routes import create_app
from chat.gateway.sending import Sending
from chat.gateway.settler import Settler
from chat.gateway.shared_rate import SharedRate
from chat.gateway.stats import Readiness, Stats
from chat.gateway.writer import write_all
from chat.gateway.wsgi import ChatWSGIServer, make_listener
from chat.hub import Hub
from chat.protocol.frames import text_frame
from chat.services.accept import AcceptService
from chat.services.cold_start import ColdStart
from chat.services.drafting import Drafting
from chat.services.fates import Fates
from chat.services.history import History
from chat.services.membership import Membership
from chat.services.rooms import Rooms
from chat.store.offloaded import OffloadedStore
from config.settings import Settings

GC_THRESHOLDS = (50_000, 20, 50)  # Python's 700, 10, 10 suit short programs
log = logging.getLogger(__name__)


@dataclass(slots=True)
class ChatServer:
    """The parts of a server that have a life of their own."""

    settings: Settings
    app: Any
    commit: GroupCommit
    relay: Relay
    rooms: LocalRooms
    settler: Settler
    nudge: Nudge
    lobby: Lobby
    heartbeat: Heartbeat
    stats: Stats
    gate: Gate
    rate: SharedRate
    http: ChatWSGIServer | None = None

    def start(self) -> None:
        """Begin to serve; raises OSError when the address can't be had."""
        web = self.settings.web
        self.http = ChatWSGIServer(make_listener(web.host, web.port), self.app)
        self.commit.start()
        self.relay.start()
        self.rooms.start(self.relay)
        self.settler.start()
        self.nudge.start()
        self.lobby.start()
        self.heartbeat.start()
        self.stats.start()
        self.gate.start(self.relay)
        self.rate.start()
        self.http.start()
        _calm_collector()

    def stop(self) -> None:
        """Take no more connections, let the present ones leave, finish what was accepted."""
        if self.http is not None:
            self.http.stop_accepting()
        self.gate.doorway.leave()
        self.lobby.leave(self.settings.web.shutdown_grace_s)
        self.commit.stop()
        self.relay.stop()
        self.stats.stop()
        if self.http is not None:
            self.http.stop(timeout=1)


def build(settings: Settings, send_wake_up: Callable[[], object]) -> ChatServer:
    """Put a server together; nothing is connected yet. `send_wake_up` sends the drain task."""
    node_id = secrets.token_hex(6)
    broker = bootstrap.broker_of(settings)
    store = OffloadedStore(bootstrap.store_of(settings))
    task_broker = bootstrap.task_broker_of(settings)

    cold_start = ColdStart(broker.log, store)
    rate = _shared_rate(settings.limits.messages_per_s, broker, node_id)
    domain_rooms = Rooms(store, member_limit=settings.limits.room_members)
    membership = Membership(domain_rooms, broker.members, is_dev=settings.auth.is_dev)
    nudge = Nudge(lambda: wake_drain(broker.client, send_wake_up))
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
        on_lost=rooms.connection_lost,
        on_again=rooms.subscribed_again,
        on_turn=hub.flush,
    )
    revocations = Revocations(broker.revocations, hub)
    authenticator = _authenticator(settings, revocations)
    dispatcher = Dispatcher(
        hub,
        membership,
        Sending(
            Drafting(content_limit_bytes=settings.limits.content_limit_bytes, give_up_s=settings.path.give_up_s),
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
    )
    admission = Admission(
        settings.limits.sockets_per_user, settings.limits.sockets_per_address, settings.auth.is_dev
    )
    lobby = Lobby(hub, relay, dispatcher, _told_limits(settings), unconfirmed.sender_told, admission)
    heartbeat = Heartbeat(settings.web.ping_after_s, settings.web.heartbeat_timeout_s)
    stats = Stats(node_id, hub, rooms, membership, broker.counters)
    probes: dict[str, Callable[[], object]] = {
        "redis": lambda: _ping(broker.client),
        "broker": lambda: _ping(task_broker),
        "store": store.ping,
    }
    gate = Gate(
        authenticator,
        settings.web.allowed_origins,
        Tickets(broker.tickets, authenticator),
        revocations,
        Doorway(authenticator.verify),
        settings.web.trusted_proxies,
        UserRate(settings.limits.rest_per_s, noun="requests"),
    )
    app = create_app(
        gate,
        lobby,
        heartbeat,
        ConnectionLimits(
            frame_limit_bytes=settings.limits.frame_limit_bytes,
            backlog_limit_bytes=settings.limits.backlog_limit_bytes,
            max_frames_per_s=settings.limits.frames_per_s,
        ),
        domain_rooms,
        stats,
        Readiness(probes, relay),
    )
    return ChatServer(settings, app, commit, relay, rooms, settler, nudge, lobby, heartbeat, stats, gate, rate)


def _calm_collector() -> None:
    """Keep the cycle collector from walking everything for every few hundred messages: a quarter of the time.

    What was loaded by now stays; the hot path makes no cycles, so waiting longer costs no memory.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


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
