"""The public membership sets in Redis, a cache of the store's documents."""

from __future__ import annotations

from collections.abc import Collection

import redis

from chat.broker import keys
from chat.broker.client import translated

TTL_S = 1800


class RedisMembers:
    """`chat:room_members:{room}` and `chat:user_rooms:{user}`."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def is_member(self, room_id: str, user_id: str) -> bool | None:
        """Return what the cached set says, None when the room is not cached."""
        with translated("read members"):
            pipeline = self._client.pipeline(transaction=False)
            pipeline.sismember(keys.room_members(room_id), user_id)
            pipeline.exists(keys.room_members(room_id))
            is_member, exists = pipeline.execute()
        return bool(is_member) if exists else None

    def keep(self, room_id: str, user_ids: Collection[str]) -> None:
        """Cache a room's members."""
        if not user_ids:
            return
        with translated("keep members"):
            pipeline = self._client.pipeline(transaction=False)
            pipeline.sadd(keys.room_members(room_id), *user_ids)
            pipeline.expire(keys.room_members(room_id), TTL_S)
            pipeline.execute()

    def forget(self, room_id: str, user_ids: Collection[str] = ()) -> None:
        """Drop a room's set, and the room sets of users, because they changed; the next reader loads them."""
        with translated("forget members"):
            pipeline = self._client.pipeline(transaction=False)
            pipeline.delete(keys.room_members(room_id))
            for user_id in user_ids:
                pipeline.delete(keys.user_rooms(user_id))
            pipeline.execute()
