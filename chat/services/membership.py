"""After a check here the user may act in the room: only members send, read and listen.

Three layers: this process (a minute), the set in Redis (half an hour), the store. Only a positive answer is kept
here; a negative one always comes from the store. Memberships end: what is kept here is forgotten when the process
hears of it, and not used while it may not have heard.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Collection
from typing import Protocol

from chat.broker.base import CachedAnswer
from chat.errors import NotAMember, RoomNotFound
from chat.model.publication import EVERYBODY
from chat.model.room import RoomType
from chat.services.rooms import Rooms

LOCAL_TTL_S = 60.0
LOCAL_LIMIT = 200_000  # entries of about 200 bytes
ASKED_ANEW = 5  # times at most, when memberships end while it is asked


class MembersCache(Protocol):
    """The shared cache of who is in which room."""

    def ask(self, room_id: str, user_id: str) -> CachedAnswer: ...

    def keep(self, room_id: str, user_ids: Collection[str], *, revision: int, mark: str) -> bool: ...


class Entering(Protocol):
    """Lets people into open rooms."""

    def join(self, room_id: str, user_id: str) -> None: ...

    def open_channel(self, room_id: str, user_id: str, *, is_guest: bool = False) -> None: ...


class Membership:
    """Answers who is a member, and lets people into open rooms.

    `trusted_until` (monotonic) is the end of a lease: until then this process would have heard of a membership's
    end, so that its memory may be believed.
    """

    def __init__(
        self,
        rooms: Rooms,
        cache: MembersCache,
        entering: Entering,
        *,
        is_dev: bool,
    ) -> None:
        self._rooms = rooms
        self._cache = cache
        self._entering = entering
        self._is_dev = is_dev
        self.trusted_until = math.inf
        self._local: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._ended = 0  # counts what was forgotten: an answer asked for before it is asked for again
        self.hits = 0
        self.misses = 0

    def is_known(self, room_id: str, user_id: str) -> bool:
        """Tell, without waiting for anything, whether the user is known to be a member."""
        expires = self._local.get((room_id, user_id))
        if expires is None or min(expires, self.trusted_until) < time.monotonic():
            return False
        self.hits += 1
        return True

    def require(self, room_id: str, user_id: str, *, is_guest: bool = False, makes_room: bool = False) -> None:
        """Return when the user is a member; raises NotAMember, RoomNotFound or what the store raises.

        In dev mode guests are members of every channel and leave no membership behind, and with `makes_room` an
        unknown room becomes an open channel of this user's: for who sends, not for who only looks.
        """
        if self.is_known(room_id, user_id):
            return
        if not self._is_member(room_id, user_id, is_guest, makes_room):
            raise NotAMember(f"you are not a member of {room_id}; ask someone in it to add you", field="roomId")

    def enter(self, room_id: str, user_id: str, *, is_guest: bool = False) -> None:
        """Return when the user is a member, becoming one where the room is a channel; raises as `require`.

        In dev mode an unknown room is made on the way.
        """
        if self.is_known(room_id, user_id) or self._is_member(room_id, user_id, is_guest, makes_room=True):
            return
        if self._rooms.get(room_id).type is not RoomType.CHANNEL:
            raise NotAMember(f"{room_id} is by invitation; ask someone in it to add you", field="roomId")
        ended = self._ended
        self._entering.join(room_id, user_id)
        self._remember(room_id, user_id, ended)

    def forget(self, room_id: str, whom: str) -> None:
        """Forget that a user, or everybody, is in a room; at once."""
        self._ended += 1
        if whom != EVERYBODY:
            self._local.pop((room_id, whom), None)
            return
        for place in [place for place in self._local if place[0] == room_id]:
            del self._local[place]

    def forget_all(self) -> None:
        """Forget everything, because the end of a membership may have passed unheard."""
        self._ended += 1
        self._local.clear()

    def _is_member(self, room_id: str, user_id: str, is_guest: bool, makes_room: bool) -> bool:
        for _ in range(ASKED_ANEW):
            ended = self._ended
            is_member = self._ask(room_id, user_id, is_guest, makes_room)
            if ended == self._ended:
                break
        if is_member:
            self._remember(room_id, user_id, ended)
        return is_member

    def _ask(self, room_id: str, user_id: str, is_guest: bool, makes_room: bool) -> bool:
        mark = ""
        if not is_guest:
            cached = self._cache.ask(room_id, user_id)
            if cached.is_member:
                self.hits += 1
                return True
            mark = cached.mark
        self.misses += 1
        try:
            if is_guest and self._rooms.get(room_id).type is RoomType.CHANNEL:
                return True
            roster = self._rooms.roster(room_id)
        except RoomNotFound:
            if not (self._is_dev and makes_room):
                raise
            self._entering.open_channel(room_id, user_id, is_guest=is_guest)
            return True
        if not is_guest:
            self._cache.keep(room_id, roster.members.keys(), revision=roster.record.revision, mark=mark)
        return user_id in roster.members

    def _remember(self, room_id: str, user_id: str, ended: int) -> None:
        if ended != self._ended:
            return
        self._local[room_id, user_id] = time.monotonic() + LOCAL_TTL_S
        if len(self._local) > LOCAL_LIMIT:
            self._local.popitem(last=False)
