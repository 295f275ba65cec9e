"""A user's connection: who it is, which rooms it is in, and what it asked that is not answered yet."""

from __future__ import annotations

import math
from collections import deque

from chat.errors import ChatError
from chat.gateway.connection import Connection
from chat.gateway.identity import Identity
from chat.gateway.writer import Writer
from chat.protocol import codec
from chat.protocol.fields import Ack

INBOX_LIMIT = 64  # frames that wait behind a slow command; then the client is not read until they are done


class Session:
    """The state of one connection above the protocol; `connection.context` is it."""

    __slots__ = (
        "auth_due", "connection", "identity", "inbox", "is_admitted", "is_busy", "is_closed",
        "joins_paid_until", "rooms", "user_id", "writer",
    )  # fmt: skip

    def __init__(self, connection: Connection, identity: Identity) -> None:
        self.connection = connection
        self.identity = identity
        self.auth_due = math.inf  # when something is due about the token's end, in seconds since 1970: see expiry
        self.user_id: str = identity.user_id
        self.writer: Writer = connection.writer
        self.rooms: set[str] = set()
        self.joins_paid_until = 0.0  # see JoinRate
        self.inbox: deque[bytes] = deque()
        self.is_admitted = False  # counted among its user's connections
        self.is_closed = False
        self.is_busy = True  # until it was welcomed, and while a slow command runs: frames keep their order

    def tell(self, payload: bytes) -> None:
        """Send one message."""
        self.connection.send_text(payload)

    def refuse(self, error: ChatError, event: str | None, ack: Ack) -> None:
        """Tell that a request was not done."""
        self.tell(codec.refusal_frame(error, event, ack))

    def close(self, code: int, reason: str, *, after_ms: int = 0) -> None:
        """Close with the `closing` event as the last message; codes of the 45xx half say: do not come back."""
        self.connection.close(code, reason, codec.closing_frame(code, reason, after_ms=after_ms))
