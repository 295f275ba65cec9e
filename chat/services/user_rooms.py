"""Which rooms a user is in, as the store lists them: a copy of what the rooms' members documents say."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from chat.errors import DocumentExists, DocumentMissing
from chat.model.clock import now_ms, rfc3339
from chat.model.room import UserRoomsRecord
from chat.store.base import Insert, JsonPath, Kind, Store, Written

_rooms = msgspec.json.Decoder(UserRoomsRecord)


class UserRooms:
    """The documents of kind `user_rooms`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, user_id: str) -> set[str]:
        """Return the rooms on a user's list."""
        document = self._store.get(Kind.USER_ROOMS, user_id)
        return set(_rooms.decode(document.body).rooms) if document else set()

    def put(self, user_id: str, room_id: str, *, is_in: bool) -> bool:
        """Put a room on a user's list or take it off; tell whether that was news."""
        if (room_id in self.of(user_id)) == is_in:
            return False
        if is_in:
            self._add(user_id, room_id)
        else:
            self.remove(user_id, [room_id])
        return True

    def note(self, user_ids: Collection[str], room_id: str) -> None:
        """Put a new room on the lists of its members: those who have no list yet in one write."""
        writes = [Insert(Kind.USER_ROOMS, user_id, _first(room_id)) for user_id in user_ids]
        for write, outcome in zip(writes, self._store.write_many(writes), strict=True):
            if not isinstance(outcome, Written):
                self.put(write.key, room_id, is_in=True)

    def of_many(self, user_ids: Collection[str]) -> dict[str, set[str]]:
        """Return the lists of several users, in one read; a user without a list is absent."""
        found = self._store.get_many(Kind.USER_ROOMS, user_ids)
        return {user_id: set(_rooms.decode(each.body).rooms) for user_id, each in found.items()}

    def remove(self, user_id: str, room_ids: Collection[str]) -> None:
        """Take rooms off a user's list."""
        try:
            self._store.update_paths(Kind.USER_ROOMS, user_id, removes=[("rooms", each) for each in room_ids])
        except DocumentMissing:
            return

    def _add(self, user_id: str, room_id: str) -> None:
        """Put a room on the list, or make the list when this is the first one."""
        path: dict[JsonPath, str] = {("rooms", room_id): rfc3339(now_ms())}
        try:
            self._store.update_paths(Kind.USER_ROOMS, user_id, sets=path)
        except DocumentMissing:
            try:
                self._store.insert(Kind.USER_ROOMS, user_id, _first(room_id))
            except DocumentExists:
                self._store.update_paths(Kind.USER_ROOMS, user_id, sets=path)


def _first(room_id: str) -> bytes:
    return msgspec.json.encode(UserRoomsRecord({room_id: rfc3339(now_ms())}))
