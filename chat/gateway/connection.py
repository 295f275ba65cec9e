"""One WebSocket after its handshake: a small object with a read watcher on gevent's loop, and no greenlet.

Before this step: `handshake.py` detached the socket from the HTTP server. After it: every whole text
message went to `on_message`, in order, and `on_closed` was called exactly once.

A read callback runs in the hub, so nothing in here and nothing it calls may block. The states go one way:
OPEN -> CLOSING (our close frame is out, the peer's is due) -> LINGERING (both are through, or the peer
broke the protocol: FIN is sent, what still comes is thrown away, so no RST overtakes our last frame) ->
CLOSED.
"""

from __future__ import annotations

import logging
import secrets
import sys
from _socket import IPPROTO_TCP, TCP_NODELAY, socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from time import monotonic
from typing import Any

from gevent import get_hub

from chat.gateway.writer import Writer
from chat.protocol.frames import (
    Binary,
    Closed,
    Event,
    Fault,
    FrameReader,
    Ping,
    close_frame,
    ping_frame,
    pong_frame,
    text_frame,
)

READ = 1  # libev's EV_READ
FLOOD_LINGER_S = 0.5  # who floods hardly reads our close frame, and what it sends costs time
READ_BYTES = 65536  # one recv a callback, so that one peer can't hold the loop
ABNORMAL, INTERNAL_ERROR, TOO_SLOW, HEARTBEAT_MISSED, RATE = 1006, 1011, 4003, 4005, 4008

log = logging.getLogger(__name__)


class State(Enum):
    """How far a connection has come; it never goes back."""

    OPEN = "open"
    CLOSING = "closing"
    LINGERING = "lingering"
    CLOSED = "closed"


_OPEN, _CLOSING, _LINGERING, _CLOSED = State.OPEN, State.CLOSING, State.LINGERING, State.CLOSED


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one client may take; shared by all connections of a route."""

    frame_limit_bytes: int = 65536
    backlog_limit_bytes: int = 1024 * 1024
    max_frames_per_s: float = 200  # 0: no limit
    frame_burst_s: float = 2.0  # this many seconds' worth at once
    close_timeout_s: float = 2.0  # for the peer's close frame and its FIN, together

    @property
    def frames_per_feed(self) -> int:
        """More than this in one recv is a flood, whatever is in the bucket."""
        return int(self.max_frames_per_s * self.frame_burst_s) if self.max_frames_per_s else sys.maxsize


def _close_flood(connection: Connection) -> None:
    connection.close(RATE, "too many frames")


def _close_slow(connection: Connection) -> None:
    connection.close(TOO_SLOW, "reader too slow")


def _close_silent(connection: Connection) -> None:
    connection.close(HEARTBEAT_MISSED, "heartbeat missed")


@dataclass(frozen=True, slots=True)
class ConnectionCallbacks:
    """What the layer above does; shared by all connections of a route. Called in the hub: must not block.

    The last three may say another farewell than ours, but should close: what a flood said is not delivered.
    """

    on_message: Callable[[Connection, bytes], None]
    on_binary: Callable[[Connection, bytes], None]
    on_closed: Callable[[Connection, int], None]
    on_flood: Callable[[Connection], None] = _close_flood
    on_overflow: Callable[[Connection], None] = _close_slow
    on_silence: Callable[[Connection], None] = _close_silent


class Connection:
    """The server's end of one WebSocket; owns the socket. `context` is the layer above's to use."""

    __slots__ = (
        "_callbacks", "_code", "_frames_paid_until", "_limits", "_reader", "_socket", "_timer", "_watcher",
        "address", "connection_id", "context", "last_received_monotonic", "state", "writer",
    )  # fmt: skip

    def __init__(self, sock: socket, limits: ConnectionLimits, callbacks: ConnectionCallbacks) -> None:
        sock.setblocking(False)
        with suppress(OSError):  # a Unix socket has no Nagle to turn off
            sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        self.address = ""  # where the client is, as the gate sees it
        self.connection_id = new_connection_id()
        self.context: Any = None
        self.last_received_monotonic = monotonic()
        self.state = _OPEN
        self.writer = Writer(sock, self, limits.backlog_limit_bytes)
        self._callbacks = callbacks
        self._code: int | None = None  # for on_closed; None as long as nobody sent a close frame
        self._frames_paid_until = 0.0
        self._limits = limits
        self._reader = FrameReader(limits.frame_limit_bytes, limits.frames_per_feed)
        self._socket = sock
        self._timer: Any = None
        self._watcher: Any = get_hub().loop.io(sock.fileno(), READ)

    def hand_over(self, callbacks: ConnectionCallbacks, frame_limit_bytes: int) -> None:
        """Call another layer above from now on, which takes messages of another size."""
        if self._callbacks is not _REPORTED:
            self._callbacks = callbacks
            self._reader.set_limit(frame_limit_bytes)

    def start(self, early: bytes = b"") -> None:
        """Begin to read; `early` came together with the handshake and is taken first."""
        if self.state is _CLOSED:
            return
        self.last_received_monotonic = monotonic()
        self._watcher.start(self._on_readable)
        if early and self.state is not _LINGERING:
            self._receive(early)

    def send_text(self, payload: bytes) -> None:
        """Send one text message at the end of this turn; dropped once the connection closes."""
        self.writer.write(text_frame(payload))

    def send_frame(self, frame: bytes, droppable: bool = False) -> None:
        """Send whole frames at the end of this turn; dropped once the connection closes."""
        self.writer.write(frame, droppable)

    def pause_reading(self) -> None:
        """Stop taking bytes, so TCP slows the peer down; what was received already is still delivered."""
        if self.state is _OPEN:
            self._watcher.stop()

    def resume_reading(self) -> None:
        """Take bytes again; the time in which none were taken is no silence of the peer."""
        if self.state is _OPEN:
            self.last_received_monotonic = monotonic()
            self._watcher.start(self._on_readable)

    @property
    def is_paused(self) -> bool:
        """Whether no bytes are taken at present, so that nothing can be heard."""
        return self.state is _OPEN and not self._watcher.active

    def ping(self) -> None:
        """Ask the peer for a sign of life; its pong is bytes received like any."""
        self.writer.write(_PING)

    def peer_is_silent(self) -> None:
        """Hear that nothing came for too long."""
        if self.state is _OPEN:
            self._guarded(self._callbacks.on_silence)

    def close(self, code: int = 1000, reason: str = "", last_text: bytes | None = None) -> None:
        """Close with a frame of ours, after `last_text` as the last message, and wait for the peer's a
        while.
        """
        if self.state is not _OPEN:
            return
        self._begin_closing(code)
        farewell = b"" if last_text is None else text_frame(last_text)
        self.writer.write_last(farewell + close_frame(code, reason))

    def abort(self) -> None:
        """End at once, without a close frame."""
        self._end(ABNORMAL)

    def writer_overflowed(self) -> None:
        """Hear from the writer that the peer reads too slowly."""
        if self.state is _OPEN:
            self._guarded(self._callbacks.on_overflow)

    def writer_broke(self) -> None:
        """Hear from the writer that the socket is gone."""
        self._end(ABNORMAL)

    def _on_readable(self) -> None:
        try:
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end(ABNORMAL)
        elif self.state is not _LINGERING:
            self._receive(data)

    def _receive(self, data: bytes) -> None:
        now = self.last_received_monotonic = monotonic()
        events = self._reader.feed(data)
        if self._limits.max_frames_per_s and not self._is_within_rate(now):
            self._stop_flood()
            return
        for event in events:
            if type(event) is not bytes:
                self._on_event(event)
            elif self.state is _OPEN:
                try:
                    self._callbacks.on_message(self, event)
                except Exception:
                    self._fail("handle_message")

    def _is_within_rate(self, now: float) -> bool:
        """Pay for the frames of the last feed out of a bucket that one number describes (GCRA)."""
        limits = self._limits
        paid = max(self._frames_paid_until, now - limits.frame_burst_s)
        self._frames_paid_until = paid = paid + self._reader.frames / limits.max_frames_per_s
        return paid <= now

    def _stop_flood(self) -> None:
        if self.state is _OPEN:
            self._guarded(self._callbacks.on_flood)
            self.close(RATE, "too many frames")  # in case it did not
        if self.state is _CLOSING:  # not when it was aborted
            self._linger()  # without parsing one frame more
            self._await_end(FLOOD_LINGER_S)

    def _on_event(self, event: Event) -> None:
        match event:
            case Ping(payload):
                self.writer.write(pong_frame(payload))
            case Closed(code):
                self._answer_close(code)
            case Fault(code, reason):
                self.close(code, reason)
                self._linger()
            case Binary(payload) if self.state is _OPEN:
                self._guarded(self._callbacks.on_binary, payload)

    def _answer_close(self, code: int) -> None:
        if self.state is _OPEN:
            self._begin_closing(code)
            self.writer.write_last(close_frame(code))
        self._linger()

    def _begin_closing(self, code: int) -> None:
        self._watcher.start(self._on_readable)  # it may be paused, and the peer's close is due
        self.state = _CLOSING
        self._code = code
        self._await_end(self._limits.close_timeout_s)

    def _await_end(self, timeout_s: float) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
        self._timer = get_hub().loop.timer(timeout_s)
        self._timer.start(self._end, ABNORMAL)

    def _linger(self) -> None:
        self.state = _LINGERING
        self.writer.close_after_flush()
        self._report_closed(ABNORMAL)

    def _end(self, code: int) -> None:
        if self.state is _CLOSED:
            return
        self.state = _CLOSED
        for watcher in (self._watcher, self._timer):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._watcher = self._timer = None
        self._reader.close()
        self.writer.abort()
        self._socket.close()
        self._report_closed(code)

    def _report_closed(self, code: int) -> None:
        callbacks = self._callbacks
        if callbacks is _REPORTED:
            return
        self._callbacks = _REPORTED
        told = code if self._code is None else self._code
        try:
            callbacks.on_closed(self, told)
        except Exception:
            self._log_failure("report_closed")

    def _guarded(self, callback: Callable[..., None], *told: bytes) -> None:
        try:
            callback(self, *told)
        except Exception:
            self._fail("handle_event")

    def _fail(self, action: str) -> None:
        self._log_failure(action)
        self.close(INTERNAL_ERROR, "internal error")

    def _log_failure(self, action: str) -> None:
        log.exception("connection_failed", extra={"action": action, "connection_id": self.connection_id})


def new_connection_id() -> str:
    """Return an id that no connection has."""
    return secrets.token_hex(8)


def _ignore(*_: object) -> None:
    """Take the place of every callback once on_closed was called."""


_PING = ping_frame()
_REPORTED = ConnectionCallbacks(_ignore, _ignore, _ignore, _ignore, _ignore, _ignore)
