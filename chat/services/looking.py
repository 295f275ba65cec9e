"""After a look here one user knows whether others are online, if they share a room, and nothing otherwise."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import msgspec

from chat.model.presence import STRANGER, Look, UserPresence
from chat.model.room import MembersRecord
from chat.store.base import Kind, Store

_members = msgspec.json.Decoder(MembersRecord)


class PresenceView(Protocol):
    """What Redis knows."""

    def look(self, room_ids: Sequence[str], user_ids: Sequence[str]) -> Look: ...


class Looking:
    """One round trip to Redis for people in rooms that one has joined, up to three for others.

    The store is asked only for what the membership caches do not know. `rooms_of(user)` tells a user's rooms from
    their cache, and fills it.
    """

    def __init__(self, view: PresenceView, store: Store, rooms_of: Callable[[str], Collection[str]]) -> None:
        self._view = view
        self._store = store
        self._rooms_of = rooms_of

    def of(self, user_id: str, room_ids: Collection[str], asked: Sequence[str]) -> dict[str, UserPresence]:
        """Return the presence of the asked users for one who is, at least, in these rooms.

        Raises: BrokerUnavailable, StoreUnavailable.
        """
        users = list(dict.fromkeys(asked))
        if not users:
            return {}
        look = self._view.look(sorted(room_ids), users)
        sharing, cold = look.sharing | {user_id}, look.cold_rooms
        if not sharing.issuperset(users) and (others := set(self._rooms_of(user_id)).difference(room_ids)):
            look = self._view.look(sorted(others), users)
            sharing, cold = sharing | look.sharing, (*cold, *look.cold_rooms)
        if cold and not sharing.issuperset(users):
            sharing |= self._stored_members(cold)
        return {each: look.users[each] if each in sharing else STRANGER for each in users}

    def _stored_members(self, room_ids: Sequence[str]) -> set[str]:
        documents = self._store.get_many(Kind.MEMBERS, room_ids)
        return {user_id for each in documents.values() for user_id in _members.decode(each.body).members}
