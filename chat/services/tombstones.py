"""After a tombstone came through here nothing stored counts the deleted message: as unread, reply, mention or pin.

Called before the deletion is told, again and again if need be: the note of the change stays until then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chat.errors import StoreUnavailable
from chat.model.amendments import MessageState
from chat.model.cursor import removed_key
from chat.model.ids import MessageRef, parse_message_id
from chat.services.batch_notes import OnReplies, ids_of, nobody_asks
from chat.services.notes import Said, notes_of, write_down
from chat.store.base import Kind, Store


@dataclass(frozen=True, slots=True)
class Tombstones:
    """`on_replies` marks the message that it answered, `unpin` takes it off its room's list."""

    store: Store
    on_replies: OnReplies = nobody_asks
    unpin: Callable[[MessageRef], object] = lambda _ref: None

    def __call__(self, state: MessageState) -> None:
        """Take a deleted message out of everything. Raises StoreUnavailable, BrokerUnavailable."""
        notes = notes_of([Said(state.room_id, state.seq, state.reply_to, state.deleted_at)])
        # The number is known to Redis as removed a moment later, which may lose it before the store is told.
        notes.sets[Kind.REMOVED, removed_key(state.room_id, state.seq)] = {("seqs", str(state.seq)): 1}
        if write_down(self.store, notes.sets):
            raise StoreUnavailable("note a deletion")
        if notes.parents:
            self.on_replies(ids_of(notes.parents))
        if (ref := parse_message_id(state.id)) is not None:
            self.unpin(ref)
