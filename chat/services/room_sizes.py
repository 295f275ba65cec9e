"""Which rooms are small, and who is in them; how large a room is need not be known to the last member."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence

import msgspec

from chat.model.room import MembersRecord
from chat.store.base import Kind, Store

REMEMBER_S = 60.0  # that a room is large: its members are not read again for each message
REMEMBERED = 10_000  # rooms
_members = msgspec.json.Decoder(MembersRecord)


class RoomSizes:
    """Small rooms have at most `limit` members. `sizes(rooms)` tells what Redis knows, 0 where it does not."""

    def __init__(self, store: Store, sizes: Callable[[Sequence[str]], list[int]], *, limit: int) -> None:
        self._store = store
        self._sizes = sizes
        self._limit = limit
        self._large: OrderedDict[str, float] = OrderedDict()

    def members_of_small(self, room_ids: Collection[str]) -> dict[str, list[str]]:
        """Return the members of those of these rooms that are small. Raises StoreUnavailable."""
        now = time.monotonic()
        asked = [room_id for room_id in room_ids if self._large.get(room_id, 0.0) < now]
        if not asked or not self._limit:
            return {}
        asked = [room for room, size in zip(asked, self._sizes(asked), strict=True) if size <= self._limit]
        found = self._store.get_many(Kind.MEMBERS, asked) if asked else {}
        members = {room_id: list(_members.decode(each.body).members) for room_id, each in found.items()}
        for room_id, users in members.items():
            if len(users) > self._limit:
                self._note_large(room_id, now)
        return {room_id: users for room_id, users in members.items() if len(users) <= self._limit}

    def _note_large(self, room_id: str, now: float) -> None:
        self._large[room_id] = now + REMEMBER_S
        self._large.move_to_end(room_id)
        if len(self._large) > REMEMBERED:
            self._large.popitem(last=False)
