"""How far a member has read a room, and which of its numbers stand for no message, as the store keeps them."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

UNKNOWN = -1  # where no number is known
BLOCK = 10_000  # numbers whose removal one document tells: at most about 100 KB


class Cursor(msgspec.Struct, frozen=True, gc=False):
    """The document of kind `cursor`, under `room:user`. Each number only grows.

    `read_seq` is what counts for the user, `shown_seq` what others were told, at `seen_ms`: they differ for one
    who reads in private, and for one who has sent something meanwhile.
    """

    read_seq: int = 0
    shown_seq: int = 0
    seen_ms: int = 0

    def text(self) -> str:
        """Return it as Redis holds it."""
        return f"{self.read_seq} {self.shown_seq} {self.seen_ms}"


class RemovedRecord(msgspec.Struct, frozen=True):
    """The document of kind `removed`, under `room:block`; the numbers are its keys."""

    seqs: dict[str, int]


class Standing(msgspec.Struct, frozen=True, gc=False):
    """Where a user stands in a room."""

    read_seq: int
    last_seq: int
    unread: int
    mentioned_seq: int = UNKNOWN  # no message behind that one names anybody


class Marked(NamedTuple):
    """What became of a mark: `raised`, `unchanged`, `cold`, `unloaded`, `unknown` or `unsure`."""

    status: str
    standing: Standing | None = None


class UnreadChange(NamedTuple):
    """What a user's connections are told; `is_new` only to those that have not joined the room."""

    user_id: str
    room_id: str
    unread: int
    total: int
    is_new: bool


def cursor_key(room_id: str, user_id: str) -> str:
    """Return the store key of a cursor."""
    return f"{room_id}:{user_id}"


def removed_key(room_id: str, seq: int) -> str:
    """Return the store key of the document that tells whether a number was removed."""
    return f"{room_id}:{seq // BLOCK:08d}"


def parse_cursor(text: str) -> Cursor:
    """Read a cursor as Redis holds it."""
    read_seq, shown_seq, seen_ms = text.split(" ")
    return Cursor(int(read_seq), int(shown_seq), int(seen_ms))
