"""The replies to a message: how many there are, and which, from what the drain wrote down."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from chat.model.events import durable_message
from chat.model.ids import MessageRef, message_id
from chat.model.message import message_key
from chat.model.room import RoomRecord
from chat.model.threads import BLOCK, Thread, ThreadRecord, thread_key
from chat.services.history import Page
from chat.store.base import Document, Kind, Store

BLOCKS_AT_ONCE = 50  # half a million numbers of a room
_room = msgspec.json.Decoder(RoomRecord)
_record = msgspec.json.Decoder(ThreadRecord)


class _Reply(msgspec.Struct):
    created_at: str
    reply_to: str | None = None
    deleted_at: str | None = None


_reply = msgspec.json.Decoder(_Reply)


class Threads:
    """Reads of the store alone; what waits to be stored is no reply yet. Every call raises StoreUnavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def look(self, parent: MessageRef) -> Thread | None:
        """Return what is to be shown of a message's replies; None where the room is lost."""
        last_seq = self._last_seq(parent.room_id)
        if last_seq is None:
            return None
        count, newest = 0, 0
        for numbers in self._blocks(parent, parent.seq + 1, last_seq):
            count += len(numbers)
            newest = numbers[-1] if numbers else newest
        found = self._replies(parent, [newest]) if count else {}
        return Thread(count, _reply.decode(found[newest].body).created_at if found else None)

    def page(self, parent: MessageRef, limit: int, after: int = 0) -> Page:
        """Return the oldest replies after a number, ascending."""
        last_seq = self._last_seq(parent.room_id) or 0
        found: list[bytes] = []
        for numbers in self._blocks(parent, max(after, parent.seq) + 1, last_seq):
            for start in range(0, len(numbers), limit + 1):
                some = self._replies(parent, numbers[start : start + limit + 1])
                found += [durable_message(each.body) for each in some.values()]
                if len(found) > limit:
                    return Page(found[:limit], True)
        return Page(found, False)

    def _replies(self, parent: MessageRef, numbers: list[int]) -> dict[int, Document]:
        """Return those of these messages that answer the parent, in order."""
        keys = {message_key(parent.room_id, seq): seq for seq in numbers}
        found = self._store.get_many(Kind.MESSAGE, list(keys))
        wanted = message_id(*parent)
        return {seq: found[key] for key, seq in keys.items() if key in found and _is_of(found[key], wanted)}

    def _blocks(self, parent: MessageRef, first: int, last: int) -> Iterator[list[int]]:
        """Give the replies from one number on, block by block."""
        starts = range(first // BLOCK * BLOCK, last + 1, BLOCK)
        for at in range(0, len(starts), BLOCKS_AT_ONCE):
            keys = [thread_key(parent, seq) for seq in starts[at : at + BLOCKS_AT_ONCE]]
            found = self._store.get_many(Kind.THREAD, keys)
            for key in keys:
                if key in found:
                    yield [seq for seq in _record.decode(found[key].body).numbers() if first <= seq <= last]

    def _last_seq(self, room_id: str) -> int | None:
        document = self._store.get(Kind.ROOM, room_id)
        return _room.decode(document.body).last_seq if document else None


def _is_of(document: Document, parent_id: str) -> bool:
    reply = _reply.decode(document.body)
    return reply.reply_to == parent_id and reply.deleted_at is None
