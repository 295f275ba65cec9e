"""Connections come in here and leave from here; between the two, the dispatcher has them."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gevent

from chat.broker import keys
from chat.errors import BrokerUnavailable, LimitReached
from chat.gateway import expiry
from chat.gateway.admission import Admission
from chat.gateway.connection import HEARTBEAT_MISSED, RATE, TOO_SLOW, Connection
from chat.gateway.dispatcher import Dispatcher
from chat.gateway.presence import LivePresence
from chat.gateway.relay import Relay
from chat.gateway.session import Session
from chat.hub import Hub, Room
from chat.model.clock import now_ms, rfc3339
from chat.model.publication import read_user
from chat.protocol import codec

RESUME_NEEDED = 4004
TOO_MANY = 4504
GOING_AWAY = 1001
RESUME_SPREAD_MS = 2000  # so that a room's members do not all come back at once
HEARTBEAT_S = 30
EXPIRY_CHECK_S = 0.5
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Lobby:
    """Everyone who is connected to this process."""

    hub: Hub
    relay: Relay
    dispatcher: Dispatcher
    limits: dict[str, Any]  # as `welcome` tells them
    user_told: Callable[[str, str, list[int]], list[int]]  # the account of unconfirmed messages
    presence: LivePresence
    admission: Admission = field(default_factory=lambda: Admission(0, 0))
    on_gone: Callable[[Session], None] = lambda _: None
    on_user_event: dict[bytes, Callable[[str, bytes], None]] = field(default_factory=dict)  # by first word
    sessions: dict[Session, None] = field(default_factory=dict)

    def enter(self, session: Session) -> None:
        """Welcome a connection, or close it where there are too many.

        Its frames wait until it hears its user's channel.
        """
        session.connection.context = session
        try:
            self.admission.enter(session.user_id, session.connection.address)
        except LimitReached as exc:
            session.close(TOO_MANY, exc.message)
            return
        session.is_admitted = True
        self.sessions[session] = None
        self.hub.add_user(session)
        self.presence.connected(session)
        self._listen(session.user_id)
        welcome = {
            "connectionId": session.connection.connection_id,
            "userId": session.user_id,
            "heartbeatSeconds": HEARTBEAT_S,
            "limits": self.limits,
            "serverTime": rfc3339(now_ms()),
        }
        session.tell(codec.event_frame("welcome", welcome))
        expiry.begin(session)
        self.dispatcher.begin(session)

    def on_closed(self, connection: Connection, _code: int) -> None:
        """Forget a connection."""
        session: Session | None = connection.context
        if session is None:
            return
        session.is_closed = True
        if session.is_admitted:
            session.is_admitted = False
            self.admission.leave(session.user_id, connection.address)
            self.presence.closed(session)
        self.sessions.pop(session, None)
        self.hub.remove_user(session)
        for room_id in session.rooms:
            room = self.hub.rooms.get(room_id)
            if room is not None:
                room.remove(session)
        session.inbox.clear()
        self.on_gone(session)

    def on_flood(self, connection: Connection) -> None:
        """Close a connection that sends frames too fast."""
        connection.context.close(RATE, "too many frames", after_ms=1000)

    def on_overflow(self, connection: Connection) -> None:
        """Close a connection that reads too slowly; it may come back and resume."""
        connection.context.close(TOO_SLOW, "reader too slow", after_ms=1000)

    def on_silence(self, connection: Connection) -> None:
        """Close a connection of which nothing was heard for too long."""
        connection.context.close(HEARTBEAT_MISSED, "heartbeat missed")

    def start(self) -> None:
        """Begin to warn those whose tokens run out, and to send them away."""
        gevent.spawn(self._expire)

    def leave(self, grace_s: float) -> None:
        """Tell everyone that this server is leaving, and wait up to `grace_s` for their going."""
        spread_ms = max(1000, int(grace_s * 1000))
        for session in list(self.sessions):
            told = {"reconnectInMs": random.randrange(spread_ms)}
            session.tell(codec.event_frame("server-leaving", told))
            session.connection.close(GOING_AWAY, "server leaving")
        with gevent.Timeout(grace_s, False):
            while self.sessions:
                gevent.sleep(0.02)

    def _expire(self) -> None:
        while True:
            gevent.sleep(EXPIRY_CHECK_S)
            now = time.time()
            for session in list(self.sessions):
                if session.auth_due <= now:
                    expiry.act(session, now)

    def _listen(self, user_id: str) -> None:
        try:
            self.relay.listen(keys.user_channel(user_id), lambda payload: self._tell_user(user_id, payload))
        except BrokerUnavailable:
            log.warning("user-channel-not-heard-yet", extra={"action": "subscribe on reconnect"})

    def _tell_user(self, user_id: str, payload: bytes) -> None:
        other = self.on_user_event.get(payload.split(b" ", 1)[0])
        if other is not None:
            other(user_id, payload)
            return
        events = read_user(payload)
        known = self.user_told(events.room_id, events.epoch, events.seqs)
        frames = [frame for seq, frame in zip(events.seqs, events.frames, strict=True) if seq not in known]
        self.hub.tell_user(user_id, frames)


def send_to_resume(room: Room) -> None:
    """Send a room's members away to come back, because what they missed can't be replayed."""
    for session in list(room.listeners):
        if isinstance(session, Session):
            after_ms = random.randrange(RESUME_SPREAD_MS)
            session.close(RESUME_NEEDED, f"events of {room.room_id} were missed", after_ms=after_ms)
