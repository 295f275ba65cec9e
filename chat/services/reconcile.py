"""After a run here some cached memberships are what the store says, and the store's two sides of them agree.

Changes keep them right by themselves; this finds what a crash, a lost Redis or a hand in the data left wrong, a few
caches at a time, and counts it: anything but 0 mended, without such a cause, is a fault of the program.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from chat.broker.base import CachedNames
from chat.errors import RoomNotFound
from chat.services.rooms import Rooms

KEYS_A_SCAN = 1000  # of Redis, whatever they are
SCANS = 20  # in one run
USERS_A_READ = 500
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Found:
    """What a run looked at and mended."""

    caches_checked: int = 0
    caches_mended: int = 0
    memberships_mended: int = 0


class Caches(Protocol):
    """The shared caches of rooms and members, and a walk through them."""

    def cached(self, cursor: int, count: int) -> tuple[int, list[str], list[str]]: ...

    def members_of(self, room_id: str) -> CachedNames: ...

    def rooms_of(self, user_id: str) -> CachedNames: ...

    def drop(self, room_id: str, revision: int, user_ids: Collection[str]) -> None: ...

    def drop_rooms(self, user_ids: Collection[str]) -> None: ...


class Reconcile:
    """Compares caches with the store."""

    def __init__(self, rooms: Rooms, caches: Caches) -> None:
        self._rooms = rooms
        self._caches = caches
        self.found = Found()

    def run(self, cursor: int = 0) -> int:
        """Look at some caches from `cursor` on, and return where the next run goes on.

        Raises: BrokerUnavailable, StoreUnavailable.
        """
        for _ in range(SCANS):
            cursor, room_ids, user_ids = self._caches.cached(cursor, KEYS_A_SCAN)
            for room_id in room_ids:
                self.check_room(room_id)
            for user_id in user_ids:
                self.check_user(user_id)
            if cursor == 0:
                break
        if self.found.caches_mended or self.found.memberships_mended:
            log.warning("memberships-mended", extra={"found": str(self.found)})
        return cursor

    def check_room(self, room_id: str) -> None:
        """Mend a room's cached members, and its place on its members' lists."""
        self.found.caches_checked += 1
        cached = self._caches.members_of(room_id)
        try:
            roster = self._rooms.roster(room_id, is_deleted_too=True)
            members, revision = roster.members.keys(), roster.record.revision
        except RoomNotFound:
            members, revision = {}.keys(), 0
        if cached.names is not None and cached.names != members and self._is_same(room_id, cached):
            self._caches.drop(room_id, revision, cached.names ^ members)
            self.found.caches_mended += 1
        everybody = iter(members)
        while some := list(islice(everybody, USERS_A_READ)):
            listed = self._rooms.of_user.of_many(some)
            self._settle((room_id, each) for each in some if room_id not in listed.get(each, ()))

    def check_user(self, user_id: str) -> None:
        """Mend a user's cached rooms, and the list in the store behind them."""
        self.found.caches_checked += 1
        cached = self._caches.rooms_of(user_id)
        listed = self._rooms.of_user.of(user_id)
        rosters = self._rooms.rosters(listed | (cached.names or set()))
        truth = {room_id for room_id, roster in rosters.items() if user_id in roster.members}
        if cached.names is not None and cached.names != truth and cached == self._caches.rooms_of(user_id):
            self._caches.drop_rooms([user_id])
            self.found.caches_mended += 1
        self._settle((room_id, user_id) for room_id in listed ^ truth)

    def _is_same(self, room_id: str, cached: CachedNames) -> bool:
        """Tell whether nothing changed while the store was read."""
        return self._caches.members_of(room_id) == cached

    def _settle(self, places: Iterable[tuple[str, str]]) -> None:
        for room_id, user_id in places:
            if self._rooms.settle_user(room_id, user_id):
                self._caches.drop_rooms([user_id])
                self.found.memberships_mended += 1
