"""WebSockets that have not said who they are: each may say it in its first frame, within seconds.

Before this step: `routes.py` let a handshake without any token in, because its Origin is allowed. After it: the
connection is a session in the lobby, or closed. Until then nothing is served, little is read and nothing is kept
but a small record.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic

import gevent

from chat.errors import ChatError, InvalidRequest, RequestError, Unauthenticated
from chat.gateway import expiry
from chat.gateway.connection import (
    HEARTBEAT_MISSED,
    INTERNAL_ERROR,
    RATE,
    TOO_SLOW,
    Connection,
    ConnectionCallbacks,
)
from chat.gateway.identity import Identity
from chat.gateway.session import Session
from chat.gateway.waiting import Waiting
from chat.protocol import codec, commands
from chat.protocol.fields import Ack

REFUSED, ABUSE, TOO_LATE, GOING_AWAY = 4500, 4501, 4502, 1001
PATIENCE_S = 5.0
CHECK_S = 0.25
FIRST_FRAME_LIMIT_BYTES = 4096  # a token, and some room
FAULTS_LIMIT = 5  # frames that are no `authenticate`, each answered with an error
MOST_WAITING = 1000  # in this process; one more ends the one that has waited longest
log = logging.getLogger(__name__)


class Stranger:
    """A connection whose user is not known; `connection.context` is it."""

    __slots__ = ("arrived_monotonic", "connection", "faults", "inbox", "is_gone", "is_heard")

    def __init__(self, connection: Connection) -> None:
        self.arrived_monotonic = monotonic()
        self.connection = connection
        self.faults = 0
        self.inbox: list[bytes] = []  # what came in one go with the first frame
        self.is_gone = False
        self.is_heard = False  # its token is being looked at

    def refuse(self, error: ChatError, event: str | None, ack: Ack) -> None:
        """Tell that a frame was not taken."""
        self.connection.send_text(codec.refusal_frame(error, event, ack))

    def close(self, code: int, reason: str, *, after_ms: int = 0) -> None:
        """Close with the `closing` event as the last message."""
        self.connection.close(code, reason, codec.closing_frame(code, reason, after_ms=after_ms))

    def give_up(self) -> None:
        """Make room for somebody else."""
        self.close(TOO_LATE, "no authentication in time")


class Doorway:
    """Everyone who waits; `enter` takes those who said who they are."""

    def __init__(self, verify: Callable[[str], Identity], patience_s: float = PATIENCE_S) -> None:
        self._verify = verify
        self._patience_s = patience_s
        self._waiting = Waiting(MOST_WAITING)
        self._strangers: dict[Stranger, None] = {}  # the longest first
        self._enter: Callable[[Connection, Identity], Session] | None = None
        self._callbacks = ConnectionCallbacks(
            self.on_message,
            self.on_binary,
            self.on_closed,
            on_flood=lambda connection: connection.context.close(RATE, "too many frames", after_ms=1000),
            on_overflow=lambda connection: connection.context.close(TOO_SLOW, "reader too slow", after_ms=1000),
            on_silence=lambda connection: connection.context.close(HEARTBEAT_MISSED, "heartbeat missed"),
        )

    def start(self) -> None:
        """Begin to send away those who say nothing."""
        gevent.spawn(self._run)

    def leads_to(self, enter: Callable[[Connection, Identity], Session]) -> None:
        """Say what makes a session of a connection whose user is known."""
        self._enter = enter

    def let_wait(self, connection: Connection) -> None:
        """Wait for a connection's first frame."""
        stranger = Stranger(connection)
        connection.context = stranger
        connection.hand_over(self._callbacks, FIRST_FRAME_LIMIT_BYTES)
        self._strangers[stranger] = None
        self._waiting.enter(stranger)

    def leave(self) -> None:
        """Send everyone away, because this server stops."""
        for stranger in list(self._strangers):
            stranger.connection.close(GOING_AWAY, "server leaving")

    def on_message(self, connection: Connection, payload: bytes) -> None:
        """Take a frame; called in the hub."""
        stranger: Stranger = connection.context
        if stranger.is_heard:
            stranger.inbox.append(payload)  # no more than one read had, because reading is paused
            return
        try:
            command = codec.decode(payload)
        except codec.Refused as refused:
            self._count_fault(stranger, refused.cause, refused.event, refused.ack)
            return
        if isinstance(command, commands.Authenticate):
            self._forget(stranger)
            stranger.is_heard = True
            connection.pause_reading()
            gevent.spawn(self._admit, stranger, command)
        else:
            error = Unauthenticated("say who you are first: send authenticate with a token", field="event")
            self._count_fault(stranger, error, codec.event_of(command), command.ack)

    def on_binary(self, connection: Connection, _payload: bytes) -> None:
        """Refuse a binary message."""
        error = InvalidRequest("binary frames are not taken; send JSON as text", field="frame")
        self._count_fault(connection.context, error, None, None)

    def on_closed(self, connection: Connection, _code: int) -> None:
        """Forget a connection."""
        connection.context.is_gone = True
        self._forget(connection.context)

    def check(self, now: float) -> None:
        """Send away those who waited too long."""
        for stranger in list(self._strangers):
            if now - stranger.arrived_monotonic < self._patience_s:
                break
            self._forget(stranger)
            stranger.give_up()

    def _run(self) -> None:
        while True:
            gevent.sleep(CHECK_S)
            self.check(monotonic())

    def _admit(self, stranger: Stranger, command: commands.Authenticate) -> None:
        try:
            self._let_in(stranger, command)
        except ChatError as exc:
            stranger.refuse(exc, codec.event_of(command), command.ack)
            if isinstance(exc, RequestError):
                stranger.close(REFUSED, "authentication failed")
            else:
                stranger.connection.close(INTERNAL_ERROR, "try again later")
        except Exception:
            log.exception("connection_failed", extra={"action": "close the connection"})
            stranger.connection.close(INTERNAL_ERROR, "internal error")

    def _let_in(self, stranger: Stranger, command: commands.Authenticate) -> None:
        identity = self._verify(command.data.token)
        if stranger.is_gone or self._enter is None:
            return
        session = self._enter(stranger.connection, identity)
        session.inbox.extend(stranger.inbox)
        if command.ack is not None:
            session.tell(codec.ack_frame(command.ack, expiry.answer(session)))

    def _count_fault(self, stranger: Stranger, error: ChatError, event: str | None, ack: Ack) -> None:
        stranger.refuse(error, event, ack)
        stranger.faults += 1
        if stranger.faults >= FAULTS_LIMIT:
            stranger.close(ABUSE, "authenticate first")

    def _forget(self, stranger: Stranger) -> None:
        self._strangers.pop(stranger, None)
        self._waiting.leave(stranger)
