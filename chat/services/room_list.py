"""A user's rooms, page by page, each page in a bounded number of reads however many rooms and members there are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chat.broker.base import CachedNames
from chat.model.events import durable_message
from chat.model.message import message_key
from chat.model.room import Roster
from chat.services.rooms import Rooms
from chat.store.base import Kind, Store

LOOK_BACK = 5  # newest numbers of a room, among which the last message is: the others may be retracted

UnreadOf = Callable[[str, Mapping[str, int]], Mapping[str, int]]


class RoomsCache(Protocol):
    """The shared cache of the rooms of users."""

    def rooms_of(self, user_id: str) -> CachedNames: ...

    def keep_rooms(self, user_id: str, room_ids: Collection[str], *, mark: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Listed:
    """A room on its member's list; `last_message` is JSON."""

    roster: Roster
    unread: int
    last_message: bytes | None


def nothing_unread(_user_id: str, last_seqs: Mapping[str, int]) -> dict[str, int]:
    """Stand in where unread messages are not counted."""
    return dict.fromkeys(last_seqs, 0)


class RoomList:
    """Lists rooms; `unread_of(user, {room: last seq})` counts a page's unread messages at once."""

    def __init__(self, rooms: Rooms, store: Store, cache: RoomsCache, unread_of: UnreadOf = nothing_unread) -> None:
        self._rooms = rooms
        self._store = store
        self._cache = cache
        self._unread_of = unread_of

    def ids(self, user_id: str) -> set[str]:
        """Return the rooms a user is in, from the cache or the store; deleted ones leave the list on the way."""
        cached = self._cache.rooms_of(user_id)
        if cached.names is not None:
            return cached.names
        listed = self._rooms.of_user.of(user_id)
        there = self._rooms.rooms(listed).keys() if listed else set()
        if gone := listed - there:
            self._rooms.of_user.remove(user_id, gone)
        self._cache.keep_rooms(user_id, there, mark=cached.mark)
        return set(there)

    def page(self, user_id: str, limit: int, after: str = "") -> tuple[list[Listed], str | None]:
        """Return up to `limit` rooms behind `after`, by id, and behind which the next page begins, if any."""
        ids = sorted(each for each in self.ids(user_id) if each > after)
        page = ids[:limit]
        rosters = self._rooms.rosters(page)
        mine = [rosters[each] for each in page if each in rosters and user_id in rosters[each].members]
        last_seqs = {each.room.id: each.room.last_seq for each in mine}
        unread = self._unread_of(user_id, last_seqs) if mine else {}
        newest = self._newest(last_seqs)
        listed = [Listed(each, unread.get(each.room.id, 0), newest.get(each.room.id)) for each in mine]
        return listed, page[-1] if len(ids) > limit else None

    def _newest(self, last_seqs: Mapping[str, int]) -> dict[str, bytes]:
        keys: dict[str, Sequence[str]] = {
            room_id: [message_key(room_id, seq) for seq in range(last, max(0, last - LOOK_BACK), -1)]
            for room_id, last in last_seqs.items()
        }
        found = self._store.get_many(Kind.MESSAGE, [key for each in keys.values() for key in each])
        newest = {}
        for room_id, of_room in keys.items():
            first = next((found[key] for key in of_room if key in found), None)
            if first is not None:
                newest[room_id] = durable_message(first.body)
        return newest
