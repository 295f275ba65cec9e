"""How many messages users have not read, from positions alone: last number - read number - removed numbers.

Any number of rooms costs the same round trips: one to Redis, and where Redis does not know, a few more in all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

import msgspec

from chat.model.cursor import BLOCK, Cursor, RemovedRecord, Standing, removed_key
from chat.model.room import RoomRecord, UserRoomsRecord
from chat.services.cursors import Pair, read_cursors
from chat.store.base import Kind, Store

_room = msgspec.json.Decoder(RoomRecord)
_rooms = msgspec.json.Decoder(UserRoomsRecord)
_removed = msgspec.json.Decoder(RemovedRecord)


class Counting(Protocol):
    """What the broker knows of positions."""

    def count(self, pairs: Sequence[Pair]) -> dict[Pair, Standing | str]: ...

    def load(self, cursors: dict[Pair, Cursor]) -> None: ...


class Unread:
    """Counts for users and rooms."""

    def __init__(self, reading: Counting, store: Store) -> None:
        self._reading = reading
        self._store = store

    def rooms_of(self, user_ids: Collection[str]) -> dict[str, list[str]]:
        """Return each user's rooms. Raises StoreUnavailable."""
        found = self._store.get_many(Kind.USER_ROOMS, list(user_ids)) if user_ids else {}
        rooms = {user_id: list(_rooms.decode(each.body).rooms) for user_id, each in found.items()}
        return {user_id: rooms.get(user_id, []) for user_id in user_ids}

    def of(self, pairs: Iterable[Pair]) -> dict[Pair, Standing]:
        """Return where each user stands in a room. Raises BrokerUnavailable, StoreUnavailable."""
        return self.completed(self._reading.count(list(dict.fromkeys(pairs))))

    def completed(self, found: dict[Pair, Standing | str]) -> dict[Pair, Standing]:
        """Return the same with what Redis does not know read from the store."""
        if unloaded := [pair for pair, answer in found.items() if answer == "unloaded"]:
            self._reading.load(read_cursors(self._store, unloaded))
            found = found | self._reading.count(unloaded)
        cold = [pair for pair, answer in found.items() if not isinstance(answer, Standing)]
        stored = self._from_store(cold)
        return {pair: answer if isinstance(answer, Standing) else stored[pair] for pair, answer in found.items()}

    def counts(self, user_id: str, room_ids: Iterable[str]) -> dict[str, int]:
        """Return how much a user has not read in each of these rooms; raises as `of`."""
        found = self.of((room_id, user_id) for room_id in room_ids)
        return {room_id: standing.unread for (room_id, _), standing in found.items()}

    def _from_store(self, pairs: Collection[Pair]) -> dict[Pair, Standing]:
        """Count in rooms that have been quiet for so long that Redis forgot them, without waking them."""
        if not pairs:
            return {}
        room_ids = list({room_id for room_id, _ in pairs})
        rooms = self._store.get_many(Kind.ROOM, room_ids)
        last = {key: _room.decode(each.body).last_seq for key, each in rooms.items()}
        cursors = read_cursors(self._store, pairs)
        removed = self._removed({room_id: last.get(room_id, 0) for room_id in room_ids})
        standings = {}
        for room_id, user_id in pairs:
            last_seq = last.get(room_id, 0)
            read_seq = min(cursors[room_id, user_id].read_seq, last_seq)
            gone = sum(read_seq < seq <= last_seq for seq in removed.get(room_id, ()))
            standings[room_id, user_id] = Standing(read_seq, last_seq, last_seq - read_seq - gone)
        return standings

    def _removed(self, last: dict[str, int]) -> dict[str, list[int]]:
        blocks = {
            removed_key(room_id, seq): room_id
            for room_id, last_seq in last.items()
            for seq in range(0, last_seq + 1, BLOCK)
        }
        found: dict[str, list[int]] = {}
        for key, each in self._store.get_many(Kind.REMOVED, list(blocks)).items():
            found.setdefault(blocks[key], []).extend(int(seq) for seq in _removed.decode(each.body).seqs)
        return found
