"""After a change of a message was told here its room knows of it, or the sweep will tell it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from chat.broker.base import DurableEvent, Intent
from chat.errors import MessageNotFound
from chat.model.amendments import MessageState, state_of
from chat.model.events import durable_message, split_frame
from chat.model.ids import MessageRef, message_id, parse_message_id
from chat.services.announcing import Announcer
from chat.services.stored_messages import StoredMessages

UPDATED = "message-updated"
DELETED = "message-deleted"
REACTION = "message-reaction"
EVENTS = (UPDATED, DELETED, REACTION)

Compose = Callable[[bytes, MessageState], DurableEvent]


@dataclass(frozen=True, slots=True)
class MessageTelling:
    """Tells rooms of their messages' changes, always with the state that the store has at that moment."""

    messages: StoredMessages
    announcer: Announcer
    on_tombstone: Callable[[MessageState], object] = lambda _state: None  # before a deletion is told

    def intend(self, event: str, ref: MessageRef) -> Intent:
        """Note a change that is about to be stored; raises BrokerUnavailable, OutboxFull."""
        intent = Intent(event, ref.room_id, message_id(*ref), "-", secrets.token_hex(6))
        self.announcer.intend(intent)
        return intent

    def drop(self, intent: Intent) -> None:
        """Take a note back, because nothing was changed."""
        self.announcer.drop(intent)

    def tell(self, intent: Intent, ref: MessageRef, compose: Compose) -> None:
        """Tell the room, and take the note back with it; raises BrokerUnavailable, StoreUnavailable."""
        self.announcer.announce(intent, lambda: self._present(ref, compose))

    def finish(self, intent: Intent) -> None:
        """Tell the room of a change whose telling was interrupted; raises as `tell`."""
        ref = parse_message_id(intent.subject)
        if ref is None:
            self.announcer.drop(intent)
        else:
            self.tell(intent, ref, present_state)

    def _present(self, ref: MessageRef, compose: Compose) -> DurableEvent | None:
        """Return what to tell of the state that the store has now; None when the message is gone altogether."""
        try:
            body = self.messages.find(ref).body
        except MessageNotFound:
            return None
        state = state_of(body)
        if state.deleted_at:
            self.on_tombstone(state)
            return present_state(body, state)
        return compose(body, state)


def present_state(body: bytes, state: MessageState) -> DurableEvent:
    """Return the event that tells all of a message as it is now."""
    if state.deleted_at is not None:
        return _event(DELETED, state, {"seq": state.seq, "deletedAt": state.deleted_at})
    return _event(UPDATED, state, {"message": msgspec.Raw(durable_message(body))})


def reaction(state: MessageState, emoji: str, user_id: str, action: str) -> DurableEvent:
    """Return the event of one reaction, with all that the message has now."""
    return _event(
        REACTION, state, {"emoji": emoji, "userId": user_id, "action": action, "reactions": state.reactions}
    )


def _event(name: str, state: MessageState, data: dict[str, Any]) -> DurableEvent:
    told = {"roomId": state.room_id, "messageId": state.id, "revision": state.revision, **data}
    head, tail = split_frame(name, told)
    return DurableEvent(state.room_id, name, state.id, state.revision, head, tail)
