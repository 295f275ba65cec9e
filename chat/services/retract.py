"""After these messages were retracted, nobody shows them any more, and their senders know why.

Before: the store will never take them, or was away for too long. After: dead letters, kept for an operator.
"""

from __future__ import annotations

from collections.abc import Iterable

from chat.broker.base import Retraction
from chat.model.events import failed_frame
from chat.model.message import MessageFailure
from chat.services.settle import Failed

POISON = MessageFailure("poison", "storing this message failed too often", False)
GIVEN_UP = MessageFailure("store-unavailable", "the message could not be stored in time; send it again", True)


def retractions(failed: Iterable[Failed]) -> list[Retraction]:
    """Return what the broker needs to take messages back."""
    return [_retraction(each) for each in failed]


def _retraction(failed: Failed) -> Retraction:
    (entry, message), failure = failed
    frame = failed_frame(message.temp_id, message.room_id, failure)
    return Retraction(entry, message, failure.code, failure.text, failure.retryable, frame)
