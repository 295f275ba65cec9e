"""After a room was warmed, its numbering goes on after the last stored message, under a new epoch.

Needed at a room's first use, after a week of quiet, and after Redis lost its data. Numbering never restarts, and
a message that was stored stays known by its temp id, so a resend is a duplicate even then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from chat.broker.base import LogRead, RoomLog
from chat.errors import RoomNotFound
from chat.model.ids import parse_message_id
from chat.model.message import message_key
from chat.model.room import RoomRecord
from chat.services.removed import read_removed, store_removed
from chat.store.base import Document, Kind, Store

PROBE = 500  # messages looked for behind the last known one: a batch may be stored before last_seq is raised
REMEMBERED = 1000  # newest messages whose temp ids are known again


class _Sent(msgspec.Struct):
    id: str
    seq: int
    sender_id: str
    temp_id: str
    deleted_at: str | None = None


_sent = msgspec.json.Decoder(_Sent)
_room = msgspec.json.Decoder(RoomRecord)


class ColdStart:
    """Tells where a room's log stands, from Redis, or else from the store."""

    def __init__(
        self, log: RoomLog, store: Store, on_newest: Callable[[Iterable[bytes]], object] = lambda _bodies: None
    ) -> None:
        self._log = log
        self._store = store
        self._on_newest = on_newest  # called with the newest stored messages of a room that was cold

    def locate(self, room_id: str) -> LogRead:
        """Return the position of a room's log, warming it when Redis has none.

        Raises: RoomNotFound, StoreUnavailable, BrokerUnavailable.
        """
        at = self._log.read(room_id)
        return self.warm(room_id) if at.status == "cold" else at

    def warm(self, room_id: str) -> LogRead:
        """Start the room's numbering in Redis from what the store has; another's start is kept."""
        document = self._store.get(Kind.ROOM, room_id)
        if document is None:
            raise RoomNotFound(f"there is no room {room_id}", field="roomId")
        last = _room.decode(document.body).last_seq
        newest: dict[int, Document] = {}
        while found := self._read(room_id, last + 1, last + PROBE):
            newest |= found
            last = max(found)
        first = max(1, last - REMEMBERED + 1)
        newest |= self._read(room_id, first, last)
        sent = {seq: _sent.decode(document.body) for seq, document in newest.items()}
        written = read_removed(self._store, room_id, last)
        lately = self._removed_lately(room_id, first, last, sent)
        if lately - written:  # Redis was lost before these were written down
            store_removed(self._store, [(room_id, seq) for seq in lately - written])
        self._on_newest(each.body for each in newest.values())
        known = [_known(sent[seq]) for seq in sorted(sent)[-REMEMBERED:]]
        return self._log.warm(room_id, last, known, sorted(written | lately))

    def _removed_lately(self, room_id: str, first: int, last: int, sent: Mapping[int, _Sent]) -> set[int]:
        """Return which of the newest numbers stand for no message, also where nobody could write that down."""
        absent = {seq for seq in range(first, last + 1) if seq not in sent}
        absent -= self._log.waiting(room_id, absent).keys() if absent else set()
        return absent | {seq for seq, each in sent.items() if each.deleted_at}

    def _read(self, room_id: str, first: int, last: int) -> dict[int, Document]:
        numbers = {message_key(room_id, seq): seq for seq in range(first, last + 1)}
        if not numbers:
            return {}
        found = self._store.get_many(Kind.MESSAGE, list(numbers))
        return {numbers[key]: document for key, document in found.items()}


def _known(sent: _Sent) -> tuple[str, str, int, str]:
    ref = parse_message_id(sent.id)
    return sent.sender_id, sent.temp_id, sent.seq, ref.epoch if ref else "0"
