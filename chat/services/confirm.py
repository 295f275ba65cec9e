"""After these messages were confirmed, their senders and rooms know that they are durable.

Before: the store acknowledged the write. After: the relay of every server passes the frames on.
"""

from __future__ import annotations

from collections.abc import Iterable

from chat.broker.base import Confirmation
from chat.model.events import confirmed_frame, durable_message
from chat.model.ids import message_id
from chat.services.settle import Stored


def confirmations(stored: Iterable[Stored]) -> list[Confirmation]:
    """Return what the broker needs to tell rooms and senders."""
    return [_confirmation(each) for each in stored]


def _confirmation(stored: Stored) -> Confirmation:
    entry, message = stored.pending
    real_id = message_id(message.room_id, message.seq, message.epoch)
    frame = confirmed_frame(message.temp_id, real_id, durable_message(stored.body))
    return Confirmation(entry, message, frame)
