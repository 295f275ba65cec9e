"""What a message said before each of its edits: kept for its author and for moderators, gone with the message."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import msgspec

from chat.errors import DocumentExists, DocumentMissing, LimitReached
from chat.model.amendments import MessageState
from chat.model.ids import MessageRef
from chat.model.message import message_key
from chat.store.base import Kind, Store

EDITS_LIMIT = 100  # of one message: the document stays small


class Version(msgspec.Struct, frozen=True):
    """What a message said from `since` (RFC 3339) until its next edit."""

    content: str
    since: str


class EditsRecord(msgspec.Struct, frozen=True):
    """The document of kind `edits`, under the message's key: the version that each revision replaced."""

    versions: dict[str, Version] = {}


_edits = msgspec.json.Decoder(EditsRecord)


@dataclass(frozen=True, slots=True)
class EditHistory:
    """Earlier versions of messages, one document a message."""

    store: Store

    def keep(self, ref: MessageRef, state: MessageState) -> None:
        """Keep what a message says now; called before the edit, and harmless when that does not follow.

        Raises: LimitReached, StoreUnavailable.
        """
        if state.revision >= EDITS_LIMIT and len(self.versions(ref)) >= EDITS_LIMIT:
            raise LimitReached(f"a message can be edited {EDITS_LIMIT} times; write a new one", field="messageId")
        key, place = message_key(ref.room_id, ref.seq), f"{state.revision:09d}"
        version = Version(state.content, state.edited_at or state.created_at)
        while True:
            with suppress(DocumentMissing):
                self.store.update_paths(Kind.EDITS, key, sets={("versions", place): msgspec.to_builtins(version)})
                return
            with suppress(DocumentExists):
                self.store.insert(Kind.EDITS, key, msgspec.json.encode(EditsRecord({place: version})))
                return

    def versions(self, ref: MessageRef) -> list[Version]:
        """Return the earlier versions, oldest first."""
        document = self.store.get(Kind.EDITS, message_key(ref.room_id, ref.seq))
        found = _edits.decode(document.body).versions if document else {}
        return [found[place] for place in sorted(found)]

    def forget(self, ref: MessageRef) -> None:
        """Drop all that a deleted message ever said."""
        self.store.delete(Kind.EDITS, message_key(ref.room_id, ref.seq))
