"""Puts a server process together from settings: who works with whom, in one place."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

import gevent
import redis

from chat import bootstrap
from chat.broker import keys
from chat.broker.client import translated
from chat.broker.events import RedisEvents
from chat.broker.group_commit import GroupCommit
from chat.broker.presence import RedisPresence
from chat.broker.rates import RedisRates
from chat.broker.temp_messages import RedisTempMessages
from chat.broker.wake import wake_drain
from chat.broker.wire import Wire
from chat.gateway import expiry
from chat.gateway.admission import Admission
from chat.gateway.connection import ConnectionLimits
from chat.gateway.cut_offs import CutOffs
from chat.gateway.dispatcher import Dispatcher
from chat.gateway.doorway import Doorway
from chat.gateway.gate import Gate
from chat.gateway.heartbeat import Heartbeat
from chat.gateway.identity import Authenticator
from chat.gateway.identity.jwks import PublishedKeys
from chat.gateway.identity.tickets import Tickets
from chat.gateway.joining import Joining
from chat.gateway.lobby import Lobby, send_to_resume
from chat.gateway.nudge import Nudge
from chat.gateway.posting import Posting
from chat.gateway.presence import LivePresence
from chat.gateway.rate import JoinRate, UserRate
from chat.gateway.reading import Reading
from chat.gateway.recounter import Recounter
from chat.gateway.relay import Relay
from chat.gateway.rest import me
from chat.gateway.rest import members as rest_members
from chat.gateway.rest import messages as rest_messages
from chat.gateway.rest import pins as rest_pins
from chat.gateway.rest import presence as rest_presence
from chat.gateway.rest import reading as rest_reading
from chat.gateway.rest import rooms as rest_rooms
from chat.gateway.rest import threads as rest_threads
from chat.gateway.revocations import Revocations
from chat.gateway.rooms import LocalRooms
from chat.gateway.routes import create_app
from chat.gateway.sending import Sending
from chat.gateway.server import ChatServer
from chat.gateway.settler import Settler
from chat.gateway.shared_rate import SharedRate
from chat.gateway.stats import Readiness, Stats
from chat.gateway.temp_messages import TempMessages
from chat.gateway.threads import ThreadPages
from chat.gateway.typing import Typing
from chat.gateway.writer import write_all
from chat.hub import Hub, Statuses
from chat.protocol import commands
from chat.protocol.frames import text_frame
from chat.services.accept import AcceptService
from chat.services.amending import Amending
from chat.services.announcing import Announcer
from chat.services.batch_notes import BatchNotes
from chat.services.cold_start import ColdStart
from chat.services.drafting import Drafting
from chat.services.edit_history import EditHistory
from chat.services.fates import Fates
from chat.services.history import History
from chat.services.looking import Looking
from chat.services.membership import Membership
from chat.services.mentions import Mentions
from chat.services.message_telling import MessageTelling
from chat.services.pins import Pins
from chat.services.preferences import Preferences
from chat.services.presence import Presence
from chat.services.removed import Removing
from chat.services.roles import is_moderator
from chat.services.room_changes import RoomChanges
from chat.services.room_list import RoomList
from chat.services.rooms import Rooms
from chat.services.seen import Seen
from chat.services.stored_messages import StoredMessages
from chat.services.threads import Threads
from chat.services.tombstones import Tombstones
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
    threads: Callable[[], object]


def build(settings: Settings, wake_ups: WakeUps) -> ChatServer:
    """Put a server together; nothing is connected yet."""
    node_id = secrets.token_hex(6)
    broker = bootstrap.broker_of(settings)
    store = OffloadedStore(bootstrap.store_of(settings))

    cold_start = ColdStart(broker.log, store, BatchNotes(store, broker.threads.mark).newest)
    rate = _shared_rate(settings.limits.messages_per_s, broker, node_id)
    domain_rooms = Rooms(store, member_limit=settings.limits.room_members)
    events = RedisEvents(broker.client, log_length=settings.path.log_length, node_id=node_id)
    announcer = Announcer(events, cold_start.warm)
    nudge = Nudge(lambda: wake_drain(broker.client, wake_ups.drain))
    seen_nudge = Nudge(
        lambda: wake_drain(broker.client, wake_ups.seen, lease=keys.SEEN_LEASE), pause_s=SEEN_PAUSE_S
    )
    threads_nudge = Nudge(lambda: wake_drain(broker.client, wake_ups.threads, lease=keys.THREADS_LEASE))
    recounter = Recounter(
        broker.recounts,
        broker.unread_counters.has_total,
        lambda: wake_drain(broker.client, wake_ups.recount, lease=keys.RECOUNT_LEASE),
    )
    changes = RoomChanges(domain_rooms, announcer, broker.members, on_moved=recounter.moved)
    membership = Membership(domain_rooms, broker.members, changes, is_dev=settings.auth.is_dev)
    commit = GroupCommit(
        broker.address, outbox_limit=settings.limits.outbox_limit, log_length=settings.path.log_length
    )

    temp_messages = TempMessages(RedisTempMessages(broker.client))
    accept = AcceptService(commit, cold_start.warm, gevent.spawn, temp_messages.accepted)
    hub = Hub(write_all, text_frame)
    unconfirmed = hub.unconfirmed
    settler = Settler(hub, unconfirmed, broker.log, store, nudge)
    rooms = LocalRooms(hub, broker.log, cold_start.locate, send_to_resume, settler.kick)
    relay = Relay(Wire(broker.address), lambda channel, payload: _publish(broker.client, channel, payload), node_id)
    unread = Unread(broker.reading, store)
    room_list = RoomList(domain_rooms, store, broker.members, unread.counts)
    presence = _presence(settings, broker, hub, store, room_list, node_id)
    cut_offs = CutOffs(
        node_id,
        hub,
        membership,
        accept.is_sending,
        lambda channel, payload: _publish(broker.client, channel, payload),
        broker.counters.live,
        lambda: min(relay.heard_until(keys.MEMBERS_CHANNEL), broker.counters.listed_until),
        presence.removed,
    )
    changes.await_cut = cut_offs.wait
    hub.on_cut = presence.removed
    revocations = Revocations(broker.revocations, hub)
    authenticator = _authenticator(settings, revocations)
    preferences = Preferences(
        store,
        lambda user_id: relay.is_connected and hub.has_user(user_id),
        lambda user_id: _publish(broker.client, keys.user_channel(user_id), b"settings"),
    )
    relay.on_lost = cut_offs.connection_lost, rooms.connection_lost, preferences.forget_all
    relay.on_again = rooms.subscribed_again, presence.heard_again
    relay.on_turn = cut_offs.renew_trust, hub.flush

    def on_raised(user_id: str, room_id: str) -> None:
        seen_nudge()
        recounter.seen(user_id, room_id)

    seen = Seen(broker.reading, store, cold_start.locate, preferences.reads_in_private, on_raised, recounter.asked)
    reading = Reading(hub, membership, seen, unread, room_list.ids, recounter.asked, Mentions(store).of)
    typing = Typing(hub, membership, broker.typing.tell)

    drafting = _drafting(settings)
    history = History(broker.log, store, cold_start.locate)
    messages = StoredMessages(store, broker.log, gevent.sleep)
    removing = Removing(broker.reading, cold_start.locate, recounter.changed)
    pins = Pins(store, domain_rooms, messages, announcer)

    def on_replies(parents: Collection[str]) -> None:
        broker.threads.mark(parents)
        threads_nudge()

    amending = Amending(
        messages,
        EditHistory(store),
        MessageTelling(messages, announcer, Tombstones(store, on_replies, pins.drop)),
        drafting.check_edit,
        lambda room_id, user_id: is_moderator(domain_rooms.roster(room_id), user_id),
        lambda ref: removing.remove(ref.room_id, [ref.seq]),
    )
    thread_pages = ThreadPages(membership, messages, Threads(store))
    dispatcher = Dispatcher(
        hub,
        membership,
        Sending(drafting, accept, rate, unconfirmed, store, nudge),
        Joining(rooms, broker.log, cut_offs.require_still_in),
        history,
        Fates(broker.log, cold_start.locate),
        settings.limits.rooms_per_socket,
        JoinRate(settings.limits.joins_per_s),
        presence,
        amending,
        lambda session, token: expiry.refresh(session, authenticator.verify(token)),
        quick={commands.Typing: typing.act},
        slow={
            commands.Typing: typing.act_slowly,
            commands.MarkSeen: reading.mark,
            commands.GetUnread: reading.get_unread,
            commands.GetReplies: thread_pages.get_replies,
        },
        on_sent=typing.stop,
        on_left=typing.stop,
        standings=reading.standings,
    )
    lobby = Lobby(
        hub, relay, dispatcher, _told_limits(settings), unconfirmed.sender_told, presence, _admission(settings)
    )
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
        [
            rest_rooms.blueprint(domain_rooms, changes, room_list),
            rest_members.blueprint(changes),
            rest_presence.blueprint(presence),
            rest_messages.blueprint(membership, history, Posting(drafting, accept, rate, nudge), amending),
            rest_reading.blueprint(reading, domain_rooms),
            rest_threads.blueprint(thread_pages),
            rest_pins.blueprint(membership, pins),
            me.blueprint(preferences),
        ],
        stats,
        Readiness(_probes(settings, broker, store), relay),
    )
    own = (seen_nudge, recounter, temp_messages, threads_nudge)
    parts = (settler, nudge, lobby, heartbeat, stats, gate, rate, cut_offs, presence, typing, *own)
    return ChatServer(settings, app, commit, relay, rooms, *parts)


def _presence(
    settings: Settings, broker: bootstrap.Broker, hub: Hub, store: Store, room_list: RoomList, node_id: str
) -> LivePresence:
    knobs = settings.presence
    board = RedisPresence(broker.client, node_id, knobs.lease_s)
    return LivePresence(
        hub,
        Statuses(hub, partial(write_all, droppable=True), text_frame, knobs.room_limit),
        Presence(board, lease_s=knobs.lease_s, grace_s=knobs.grace_s),
        board,
        broker.presence_view,
        Looking(broker.presence_view, store, room_list.ids).of,
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
    published = PublishedKeys(auth.jwks_url, auth.jwks_refetch_s) if auth.jwks_url else None
    return Authenticator(auth.secret, auth.is_dev, auth.issuer, auth.audience, published, revocations.refuses)


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
