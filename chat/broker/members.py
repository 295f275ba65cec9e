"""The public membership sets in Redis, a cache of the store that is never older than an answered change.

Beside each set stands a mark that every change of its truth changes. Whoever fills a set names the mark that was
there before the store was read; when it is another one by then, the reading may be old, and is not kept.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from typing import Any

import redis

from chat.broker import keys, scripts
from chat.broker.base import CachedAnswer, CachedNames
from chat.broker.client import translated

TTL_S = 1800
MARK_TTL_S = 3600  # longer than any reading of the store may take


class RedisMembers:
    """`chat:room_members:{room}` and `chat:user_rooms:{user}`."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._keep = client.register_script(scripts.load("keep_set").source)
        self._change = client.register_script(scripts.load("change_set").source)

    def ask(self, room_id: str, user_id: str) -> CachedAnswer:
        """Return what the room's cached set says of a user."""
        key = keys.room_members(room_id)
        with translated("read members"):
            pipeline = self._client.pipeline(transaction=False)
            pipeline.sismember(key, user_id)
            pipeline.exists(key)
            pipeline.get(keys.mark_of(key))
            is_member, exists, mark = pipeline.execute()
        return CachedAnswer(bool(is_member) if exists else None, _text(mark))

    def keep(self, room_id: str, user_ids: Collection[str], *, revision: int, mark: str) -> bool:
        """Cache a room's members as the store had them, asked after `mark` was read; False when that is old."""
        return self._kept(keys.room_members(room_id), mark, str(revision), user_ids)

    def added(self, room_id: str, revision: int, user_id: str) -> None:
        """Take over that a user came into a room."""
        self._changed(room_id, [revision, "add", user_id], [user_id])

    def removed(self, room_id: str, revision: int, user_id: str) -> None:
        """Take over that a user is not in a room any more."""
        self._changed(room_id, [revision, "remove", user_id], [user_id])

    def drop(self, room_id: str, revision: int, user_ids: Collection[str]) -> None:
        """Forget a room's set and its members' sets: who needs them next loads them from the store."""
        self._changed(room_id, [revision, "drop"], user_ids)

    def _changed(self, room_id: str, args: list[str | int], user_ids: Collection[str]) -> None:
        key = keys.room_members(room_id)
        with translated("change members"):
            self._change([key, keys.mark_of(key)], args)
        self.drop_rooms(user_ids)

    def drop_rooms(self, user_ids: Collection[str]) -> None:
        """Forget the sets of users' rooms."""
        if not user_ids:
            return
        with translated("change rooms"):
            pipeline = self._client.pipeline(transaction=False)
            for user_id in user_ids:
                rooms = keys.user_rooms(user_id)
                pipeline.set(keys.mark_of(rooms), secrets.token_hex(6), ex=MARK_TTL_S)
                pipeline.delete(rooms)
            pipeline.execute()

    def rooms_of(self, user_id: str) -> CachedNames:
        """Return the cached rooms of a user."""
        key = keys.user_rooms(user_id)
        with translated("read rooms"):
            pipeline = self._client.pipeline(transaction=False)
            pipeline.smembers(key)
            pipeline.get(keys.mark_of(key))
            found, mark = pipeline.execute()
        return CachedNames({each.decode() for each in found} or None, _text(mark))

    def keep_rooms(self, user_id: str, room_ids: Collection[str], *, mark: str) -> bool:
        """Cache a user's rooms as the store had them, asked after `mark` was read; False when that is old."""
        return self._kept(keys.user_rooms(user_id), mark, mark, room_ids)

    def cached(self, cursor: int, count: int) -> tuple[int, list[str], list[str]]:
        """Return some rooms and users that have a set, and where to go on (0: that was the last)."""
        with translated("scan caches"):
            reply: Any = self._client.scan(cursor, match="chat:*", count=count, _type="set")
        names = [name.decode() for name in reply[1]]
        rooms = [name.removeprefix(ROOMS_PREFIX) for name in names if name.startswith(ROOMS_PREFIX)]
        users = [name.removeprefix(USERS_PREFIX) for name in names if name.startswith(USERS_PREFIX)]
        return int(reply[0]), rooms, users

    def members_of(self, room_id: str) -> CachedNames:
        """Return a room's cached members, with the mark beside them."""
        key = keys.room_members(room_id)
        with translated("read members"):
            pipeline = self._client.pipeline(transaction=False)
            pipeline.smembers(key)
            pipeline.get(keys.mark_of(key))
            found, mark = pipeline.execute()
        return CachedNames({each.decode() for each in found} or None, _text(mark))

    def members_of_many(self, room_ids: Sequence[str]) -> dict[str, set[str]]:
        """Return the members of those rooms that are cached, in one round trip."""
        with translated("read members"):
            pipeline = self._client.pipeline(transaction=False)
            for room_id in room_ids:
                pipeline.smembers(keys.room_members(room_id))
            replies = pipeline.execute()
        found = zip(room_ids, replies, strict=True)
        return {room_id: {each.decode() for each in members} for room_id, members in found if members}

    def ask_many(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bool | None]:
        """Return whether users are in rooms, as (room, user), None where a room is not cached; one round trip."""
        with translated("read members"):
            pipeline = self._client.pipeline(transaction=False)
            for room_id, user_id in pairs:
                pipeline.sismember(keys.room_members(room_id), user_id)
                pipeline.exists(keys.room_members(room_id))
            replies = pipeline.execute()
        return {
            pair: bool(is_in) if exists else None
            for pair, is_in, exists in zip(pairs, replies[::2], replies[1::2], strict=True)
        }

    def _kept(self, key: str, mark: str, new_mark: str, names: Collection[str]) -> bool:
        with translated("keep set"):
            reply: Any = self._keep([key, keys.mark_of(key)], [mark, new_mark, TTL_S, *names])
        return bool(reply == [b"kept"])


ROOMS_PREFIX = keys.room_members("")
USERS_PREFIX = keys.user_rooms("")


def _text(mark: bytes | None) -> str:
    return mark.decode() if mark else ""
