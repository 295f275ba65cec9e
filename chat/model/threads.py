"""Which messages answer another one: what is said of it in a message, and where the store keeps it.

The replies of a message stand in blocks. What is known of each only grows: that it is a reply, and that it is gone.
So notes may be repeated, and come in any order.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from chat.model.ids import MessageRef, parse_message_id
from chat.model.message import message_key

BLOCK = 10_000  # numbers whose replies one document names: at most about 250 KB
EPOCH_LIMIT = 16  # characters; longer ones are nobody's, and would make keys too long


class ThreadRecord(msgspec.Struct, frozen=True):
    """The document of kind `thread`, under `PARENT:EPOCH:BLOCK`: numbers of replies, and those deleted since."""

    replies: dict[str, int] = {}
    gone: dict[str, int] = {}

    def numbers(self) -> list[int]:
        """Return the replies that are left, ascending."""
        return sorted(int(seq) for seq in self.replies if seq not in self.gone)


class Thread(NamedTuple):
    """What the message that a thread hangs on shows of it."""

    reply_count: int
    last_reply_at: str | None  # RFC 3339


def thread_key(parent: MessageRef, seq: int) -> str:
    """Return the key of the document that tells whether a number answers this message."""
    return f"{message_key(parent.room_id, parent.seq)}:{parent.epoch}:{seq // BLOCK:08d}"


def parent_of(room_id: str, seq: int, reply_to: str | None) -> MessageRef | None:
    """Return which message of the room a message answers, None for none and for what can't be one."""
    parent = parse_message_id(reply_to) if reply_to else None
    if parent is None or parent.room_id != room_id or not 0 < parent.seq < seq:
        return None
    return parent if parent.epoch.isascii() and len(parent.epoch) <= EPOCH_LIMIT else None
