"""A reader of frames that is fed pieces."""

from __future__ import annotations

from chat.protocol.frames import Event, FrameReader

LIMIT = 300  # of a message, in bytes


def read(*pieces: bytes, limit: int = LIMIT) -> list[Event]:
    """Return the events of these pieces of one stream."""
    reader = FrameReader(limit)
    return [event for piece in pieces for event in reader.feed(piece)]
