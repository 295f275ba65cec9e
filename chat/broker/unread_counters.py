"""The public counters of unread messages: a cache of what positions say, dropped rather than wrong."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import redis

from chat.broker import keys
from chat.broker.client import translated
from chat.model.cursor import UnreadChange
from chat.model.publication import unread_payload

TTL_S = 3600


class UnreadCounters:
    """`chat:unread`, `chat:total_unread`, and the sets that say which of them a message makes stale."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def begin(self, room_users: Mapping[str, Collection[str]]) -> None:
        """Note whose counters are about to be counted: a message that comes from now on makes them stale."""
        with translated("note counters"):
            pipeline = self._client.pipeline(transaction=False)
            for room_id, user_ids in room_users.items():
                pipeline.sadd(keys.counted(room_id), *user_ids)
                pipeline.expire(keys.counted(room_id), TTL_S)
            pipeline.execute()

    def write(self, counts: Mapping[str, Mapping[str, int]], changes: Sequence[UnreadChange] = ()) -> None:
        """Write users' counters (user -> room -> unread) with their totals, and tell their connections."""
        with translated("write counters"):
            pipeline = self._client.pipeline(transaction=False)
            for user_id, rooms in counts.items():
                for room_id, unread in rooms.items():
                    pipeline.set(keys.unread(user_id, room_id), unread, ex=TTL_S)
                pipeline.set(keys.total_unread(user_id), sum(rooms.values()), ex=TTL_S)
            for each in changes:
                payload = unread_payload(each.room_id, each.unread, each.total, is_new=each.is_new)
                pipeline.publish(keys.user_channel(each.user_id), payload)
            pipeline.execute()

    def of_room(self, room_ids: Sequence[str]) -> dict[str, set[str]]:
        """Return who has a counter for each room."""
        with translated("read counted"):
            pipeline = self._client.pipeline(transaction=False)
            for room_id in room_ids:
                pipeline.smembers(keys.counted(room_id))
            replies = pipeline.execute()
        found = zip(room_ids, replies, strict=True)
        return {room_id: {user_id.decode() for user_id in user_ids} for room_id, user_ids in found}

    def drop(self, room_users: Mapping[str, Collection[str]]) -> None:
        """Drop counters that a message made stale."""
        with translated("drop counters"):
            pipeline = self._client.pipeline(transaction=False)
            for room_id, user_ids in room_users.items():
                for user_id in user_ids:
                    pipeline.delete(keys.unread(user_id, room_id))
                    pipeline.delete(keys.total_unread(user_id))
                if user_ids:
                    pipeline.srem(keys.counted(room_id), *user_ids)
            pipeline.execute()

    def drop_users(self, user_ids: Collection[str]) -> None:
        """Drop totals that are found wrong, so that nobody reads them until they are counted anew."""
        with translated("drop counters"):
            self._client.delete(*(keys.total_unread(user_id) for user_id in user_ids))

    def are_there(self, user_id: str, room_ids: Collection[str]) -> bool:
        """Tell whether the user's total and the counters of these rooms are there."""
        names = [keys.total_unread(user_id), *(keys.unread(user_id, room_id) for room_id in room_ids)]
        with translated("look for counters"):
            return bool(self._client.exists(*names) == len(names))

    def read(self, user_id: str, room_ids: Sequence[str]) -> tuple[int | None, dict[str, int]]:
        """Return the cached total and the cached counters."""
        with translated("read counters"):
            names = [keys.total_unread(user_id), *(keys.unread(user_id, room_id) for room_id in room_ids)]
            pipeline = self._client.pipeline(transaction=False)
            for name in names:
                pipeline.get(name)
            total, *counts = pipeline.execute()
        found = zip(room_ids, counts, strict=True)
        return None if total is None else int(total), {room: int(n) for room, n in found if n is not None}

    def totals(self, user_ids: Collection[str]) -> dict[str, int]:
        """Return the cached totals of those users who have one, in one round trip."""
        asked = list(user_ids)
        with translated("read totals"):
            pipeline = self._client.pipeline(transaction=False)
            for user_id in asked:
                pipeline.get(keys.total_unread(user_id))
            found = zip(asked, pipeline.execute(), strict=True)
        return {user_id: int(total) for user_id, total in found if total is not None}

    def sizes(self, room_ids: Sequence[str]) -> list[int]:
        """Return how many members of each room are cached, 0 where nothing is."""
        with translated("read sizes"):
            pipeline = self._client.pipeline(transaction=False)
            for room_id in room_ids:
                pipeline.scard(keys.room_members(room_id))
            sizes: list[int] = pipeline.execute()
        return sizes

    def sample(self, limit: int, steps: int) -> list[str]:
        """Return some users who have counters, others each time, until all were looked at.

        Of more than `limit` that come at once those who are returned are drawn: the order of the keys stays the
        same, and somebody would never be among the first.
        """
        with translated("sample counters"):
            prefix = keys.total_unread("")
            found: list[str] = []
            cursor: Any = int(self._client.get(keys.RECONCILE_AT) or 0)
            for _ in range(steps):
                reply: Any = self._client.scan(cursor, match=f"{prefix}*", count=500)
                cursor, names = reply
                found += [name.decode().removeprefix(prefix) for name in names]
                if cursor == 0 or len(found) >= limit:
                    break
            self._client.set(keys.RECONCILE_AT, cursor, ex=TTL_S)
        return random.sample(found, min(limit, len(found)))

    def count_drift(self, found: int) -> None:
        """Add to what all checks found wrong."""
        with translated("count drift"):
            self._client.hincrby(keys.WORK_STATS, "unread_drift", found)
