"""In-memory twin of the caches of rooms' members and of users' rooms."""

from __future__ import annotations

from collections.abc import Collection

from chat.broker.base import CachedAnswer, CachedNames
from chat.model.ids import new_epoch


class MemorySets:
    """The shared caches as `RedisMembers` keeps them."""

    def __init__(self) -> None:
        self.sets: dict[str, set[str]] = {}
        self.marks: dict[str, str] = {}
        self.rooms: dict[str, set[str]] = {}

    def ask(self, room_id: str, user_id: str) -> CachedAnswer:
        found = self.sets.get(room_id)
        return CachedAnswer(None if found is None else user_id in found, self.marks.get(room_id, ""))

    def keep(self, room_id: str, user_ids: Collection[str], *, revision: int, mark: str) -> bool:
        if mark != self.marks.get(room_id, ""):
            return False
        if user_ids:
            self.sets[room_id] = set(user_ids)
        self.marks[room_id] = str(revision)
        return True

    def added(self, room_id: str, revision: int, user_id: str) -> None:
        self.drop(room_id, revision, [user_id])

    def removed(self, room_id: str, revision: int, user_id: str) -> None:
        self.drop(room_id, revision, [user_id])

    def drop(self, room_id: str, revision: int, user_ids: Collection[str]) -> None:
        self.sets.pop(room_id, None)
        self.marks[room_id] = str(max(revision, int(self.marks.get(room_id) or 0)))
        self.drop_rooms(user_ids)

    def drop_rooms(self, user_ids: Collection[str]) -> None:
        for user_id in user_ids:
            self.rooms.pop(user_id, None)
            self.marks[f"@{user_id}"] = new_epoch()

    def rooms_of(self, user_id: str) -> CachedNames:
        return CachedNames(self.rooms.get(user_id), self.marks.get(f"@{user_id}", ""))

    def keep_rooms(self, user_id: str, room_ids: Collection[str], *, mark: str) -> bool:
        if mark != self.marks.get(f"@{user_id}", ""):
            return False
        if room_ids:
            self.rooms[user_id] = set(room_ids)
        return True
