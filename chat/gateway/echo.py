"""`/ws/echo` (with `AUTH_MODE=dev` only): each data message goes back unchanged, for protocol conformance suites.

It is the same `Connection` as the chat's, with the same limits but one: a suite sends more frames than a chat.
"""

from __future__ import annotations

from dataclasses import replace

from chat.gateway.connection import (
    HEARTBEAT_MISSED,
    RATE,
    TOO_SLOW,
    Connection,
    ConnectionCallbacks,
    ConnectionLimits,
)
from chat.protocol import codec
from chat.protocol.frames import binary_frame

FRAMES_FACTOR = 25  # times the chat's frames per second, so that nobody meets it who waits for each echo
FRAME_BURST_S = 0.4  # 2,000 frames at once with the default of 200 a second


def echo_limits(chat: ConnectionLimits) -> ConnectionLimits:
    """Return the limits of this route."""
    return replace(chat, max_frames_per_s=chat.max_frames_per_s * FRAMES_FACTOR, frame_burst_s=FRAME_BURST_S)


def echo_callbacks() -> ConnectionCallbacks:
    """Return what the route does."""
    return ConnectionCallbacks(
        on_message=Connection.send_text,
        on_binary=_send_binary,
        on_closed=_forget,
        on_flood=lambda connection: _close(connection, RATE, "too many frames"),
        on_overflow=lambda connection: _close(connection, TOO_SLOW, "reader too slow"),
        on_silence=lambda connection: _close(connection, HEARTBEAT_MISSED, "heartbeat missed"),
    )


def _send_binary(connection: Connection, payload: bytes) -> None:
    connection.send_frame(binary_frame(payload))


def _forget(_connection: Connection, _code: int) -> None:
    """Nothing is kept of an echo."""


def _close(connection: Connection, code: int, reason: str) -> None:
    connection.close(code, reason, codec.closing_frame(code, reason))
