"""What the server tells one connection of itself: its welcome, the answers to its requests, its end."""

# ruff: noqa: N815 - the members have the names of the wire
from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from chat.protocol.shapes import Fault, Time


class WelcomeData(Struct, frozen=True, forbid_unknown_fields=True):
    connectionId: str
    userId: str
    heartbeatSeconds: float
    limits: dict[str, int]
    serverTime: Time


class Welcome(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="welcome"):
    """The first event of a connection."""

    data: WelcomeData


class AckData(Struct, frozen=True, forbid_unknown_fields=True):
    ack: str | int
    ok: bool
    result: Any | UnsetType = UNSET
    error: Fault | UnsetType = UNSET


class Ack(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="ack"):
    """The answer to a request that had an `ack`: its `result`, or its `error`."""

    data: AckData


class ServerLeavingData(Struct, frozen=True, forbid_unknown_fields=True):
    reconnectInMs: int


class ServerLeaving(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="server-leaving"):
    """A planned stop: come back after `reconnectInMs`."""

    data: ServerLeavingData


class AuthExpiringData(Struct, frozen=True, forbid_unknown_fields=True):
    expiresAt: Time
    expiresInMs: int


class AuthExpiring(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="auth-expiring"):
    """The token ends soon: send `authenticate` with a fresh one."""

    data: AuthExpiringData


class ClosingData(Struct, frozen=True, forbid_unknown_fields=True):
    code: int
    reason: str
    retry: bool
    afterMs: int


class Closing(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="closing"):
    """The last event before a close code of the server's own."""

    data: ClosingData


class HeartbeatAnswerData(Struct, frozen=True, forbid_unknown_fields=True):
    serverTime: Time


class HeartbeatAnswer(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="heartbeat"):
    """The answer to a heartbeat."""

    data: HeartbeatAnswerData


class ErrorData(Struct, frozen=True, forbid_unknown_fields=True):
    code: str
    message: str
    field: str | None
    event: str | None
    retryAfter: float | UnsetType = UNSET


class Error(Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="error"):
    """A request without an `ack` was not done."""

    data: ErrorData
