"""Where a message's document lives, and the parts of it that are read back."""

from __future__ import annotations

from dataclasses import dataclass

SEQ_DIGITS = 12  # padded, so that a room's messages lie side by side in an ordered store


def message_key(room_id: str, seq: int) -> str:
    """Return the store key of a message document: `room:000000000017`."""
    return f"{room_id}:{seq:0{SEQ_DIGITS}d}"


@dataclass(frozen=True, slots=True)
class MessageFailure:
    """Why a message could not be kept; `retryable` tells the sender whether sending again may help."""

    code: str
    text: str
    retryable: bool
