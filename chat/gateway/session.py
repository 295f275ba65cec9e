"""A user's connection: who it is, which rooms it is in, and what it asked that is not answered yet."""

from __future__ import annotations

from collections import deque

from chat.errors import ChatError
from chat.gateway.connection import Connection
from chat.gateway.identity import Identity
from chat.gateway.writer import Writer
from chat.protocol import codec

INBOX_LIMIT = 64  # frames that wait behind a slow command; then the client is not read until they are done


class Session:
    """The state of one connection above the protocol; `connection.context` is it."""

    __slots__ = ("connection", "identity", "inbox", "is_busy", "is_closed", "rooms", "user_id", "writer")

    def __init__(self, connection: Connection, identity: Identity) -> None:
        self.connection = connection
        self.identity = identity
        self.user_id: str = identity.user_id
        self.writer: Writer = connection.writer
        self.rooms: set[str] = set()
        self.inbox: deque[bytes] = deque()
        self.is_closed = False
        self.is_busy = True  # until it was welcomed, and while a slow command runs: frames keep their order

    def tell(self, payload: bytes) -> None:
        """Send one message."""
        self.connection.send_text(payload)

    def refuse(self, error: ChatError, event: str | None, ack: codec.Ack) -> None:
        """Tell that a request was not done."""
        self.tell(codec.refusal_frame(error, event, ack))

    def close(self, code: int, reason: str, *, after_ms: int = 0) -> None:
        """Close with the `closing` event as the last message; codes of the 45xx half say: do not come back."""
        told = {"code": code, "reason": reason, "retry": code < 4500, "afterMs": after_ms}
        self.connection.close(code, reason, codec.event_frame("closing", told))
