"""After a look here one user knows whether others are online, if they share a room, and nothing otherwise."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

from chat.model.presence import STRANGER, Look, UserPresence
from chat.model.room import MembersRecord, UserRoomsRecord
from chat.store.base import Kind, Store

_user_rooms = msgspec.json.Decoder(UserRoomsRecord)
_members = msgspec.json.Decoder(MembersRecord)


class PresenceView(Protocol):
    """What Redis knows."""

    def rooms_of(self, user_id: str) -> set[str]: ...

    def look(self, room_ids: Sequence[str], user_ids: Sequence[str]) -> Look: ...


class Looking:
    """Two round trips to Redis; the store is asked only for what the membership caches do not know."""

    def __init__(self, view: PresenceView, store: Store) -> None:
        self._view = view
        self._store = store

    def of(self, user_id: str, room_ids: Collection[str], asked: Sequence[str]) -> dict[str, UserPresence]:
        """Return the presence of the asked users for one who is, at least, in these rooms.

        Raises: BrokerUnavailable, StoreUnavailable.
        """
        users = list(dict.fromkeys(asked))
        if not users:
            return {}
        rooms = self._view.rooms_of(user_id) or self._stored_rooms(user_id)
        look = self._view.look(sorted(rooms.union(room_ids)), users)
        sharing = look.sharing | {user_id}
        if look.cold_rooms and not sharing.issuperset(users):
            sharing |= self._stored_members(look.cold_rooms)
        return {each: look.users[each] if each in sharing else STRANGER for each in users}

    def _stored_rooms(self, user_id: str) -> set[str]:
        document = self._store.get(Kind.USER_ROOMS, user_id)
        return set(_user_rooms.decode(document.body).rooms) if document else set()

    def _stored_members(self, room_ids: Sequence[str]) -> set[str]:
        documents = self._store.get_many(Kind.MEMBERS, room_ids)
        return {user_id for each in documents.values() for user_id in _members.decode(each.body).members}
