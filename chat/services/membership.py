"""After a check here the user may act in the room: only members send, read and listen.

Three layers: this process (a minute), the set in Redis (half an hour), the store. Until memberships can end,
only a positive answer is kept; a negative one always comes from the store.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Collection
from typing import Protocol

from chat.errors import NotAMember, RoomNotFound
from chat.model.room import RoomType
from chat.services.rooms import Rooms

LOCAL_TTL_S = 60.0
LOCAL_LIMIT = 200_000  # entries of about 200 bytes


class MembersCache(Protocol):
    """The shared cache of who is in which room."""

    def is_member(self, room_id: str, user_id: str) -> bool | None: ...

    def keep(self, room_id: str, user_ids: Collection[str]) -> None: ...

    def forget(self, room_id: str, user_ids: Collection[str] = ()) -> None: ...


class Membership:
    """Answers who is a member, and lets people into open rooms."""

    def __init__(self, rooms: Rooms, cache: MembersCache, *, is_dev: bool) -> None:
        self._rooms = rooms
        self._cache = cache
        self._is_dev = is_dev
        self._local: OrderedDict[tuple[str, str], float] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def is_known(self, room_id: str, user_id: str) -> bool:
        """Tell, without waiting for anything, whether the user is known to be a member."""
        expires = self._local.get((room_id, user_id))
        if expires is None or expires < time.monotonic():
            return False
        self.hits += 1
        return True

    def require(self, room_id: str, user_id: str, *, is_guest: bool = False) -> None:
        """Return when the user is a member; raises NotAMember, RoomNotFound or what the store raises.

        In dev mode an unknown room becomes an open channel of this user's, and guests are members of every
        channel: they leave no membership behind.
        """
        if self.is_known(room_id, user_id):
            return
        if self._is_member(room_id, user_id, is_guest):
            self._remember(room_id, user_id)
            return
        raise NotAMember(f"you are not a member of {room_id}; ask someone in it to add you", field="roomId")

    def enter(self, room_id: str, user_id: str, *, is_guest: bool = False) -> None:
        """Return when the user is a member, becoming one where the room is a channel; raises as `require`."""
        if self.is_known(room_id, user_id):
            return
        if not self._is_member(room_id, user_id, is_guest):
            if self._rooms.get(room_id).type is not RoomType.CHANNEL:
                raise NotAMember(f"{room_id} is by invitation; ask someone in it to add you", field="roomId")
            self._rooms.add_member(room_id, user_id)
            self._cache.forget(room_id, [user_id])
        self._remember(room_id, user_id)

    def _is_member(self, room_id: str, user_id: str, is_guest: bool) -> bool:
        if not is_guest:
            cached = self._cache.is_member(room_id, user_id)
            if cached:
                self.hits += 1
                return True
        self.misses += 1
        try:
            if is_guest and self._rooms.get(room_id).type is RoomType.CHANNEL:
                return True
            members = self._rooms.members(room_id)
        except RoomNotFound:
            if not self._is_dev:
                raise
            self._rooms.open_channel(room_id, user_id, is_guest=is_guest)
            return True
        if not is_guest:
            self._cache.keep(room_id, members.keys())
        return user_id in members

    def _remember(self, room_id: str, user_id: str) -> None:
        self._local[room_id, user_id] = time.monotonic() + LOCAL_TTL_S
        if len(self._local) > LOCAL_LIMIT:
            self._local.popitem(last=False)
