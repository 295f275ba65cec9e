"""After these messages were retracted, nobody shows them any more, and their senders know why.

Before: the store will never take them, or was away for too long. After: dead letters, kept for an operator.
"""

from __future__ import annotations

from collections.abc import Iterable

from chat.broker.base import OutboxMessage, Retraction
from chat.model.events import failed_frame
from chat.model.ids import message_id
from chat.model.message import MessageFailure, message_key
from chat.services.settle import Failed, id_of
from chat.store.base import Kind, Store

POISON = MessageFailure("poison", "storing this message failed too often", False)
GIVEN_UP = MessageFailure("store-unavailable", "the message could not be stored in time; send it again", True)


def retractions(failed: Iterable[Failed]) -> list[Retraction]:
    """Return what the broker needs to take messages back."""
    return [_retraction(each) for each in failed]


def take_out(store: Store, message: OutboxMessage) -> None:
    """Have the store forget a message that was stored and is retracted: history is what everybody was told.

    Raises: StoreUnavailable.
    """
    key = message_key(message.room_id, message.seq)
    found = store.get(Kind.MESSAGE, key)
    if found is not None and id_of(found.body) == message_id(message.room_id, message.seq, message.epoch):
        store.delete(Kind.MESSAGE, key)


def _retraction(failed: Failed) -> Retraction:
    (entry, message), failure = failed
    frame = failed_frame(message.temp_id, message.room_id, failure)
    return Retraction(entry, message, failure.code, failure.text, failure.retryable, frame)
