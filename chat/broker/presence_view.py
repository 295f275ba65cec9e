"""Presence as it is read: who is online in rooms, and what one user may know of others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import redis

from chat.broker import keys
from chat.broker.client import translated
from chat.model.presence import Look, RoomPresence, UserPresence


class RedisPresenceView:
    """Reads the public keys, in a number of round trips that depends neither on rooms nor on users."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def rooms_online(self, room_ids: Sequence[str], limit: int) -> dict[str, RoomPresence]:
        """Return who is online in rooms, no more than `limit` users of each by name; raises BrokerUnavailable."""
        with translated("read who is online"):
            pipeline = self._client.pipeline(transaction=False)
            for room_id in room_ids:
                pipeline.scard(keys.room_online(room_id))
                pipeline.srandmember(keys.room_online(room_id), limit)
            replies: Any = pipeline.execute()
            members = [[each.decode() for each in found] for found in replies[1::2]]
            names = self._names(sorted({user_id for found in members for user_id in found}))
        return {
            room_id: RoomPresence(count, {user_id: names[user_id] for user_id in found if user_id in names})
            for room_id, count, found in zip(room_ids, replies[::2], members, strict=True)
        }

    def look(self, room_ids: Sequence[str], user_ids: Sequence[str]) -> Look:
        """Return what is known of users, and who of them is in one of the rooms; raises BrokerUnavailable."""
        with translated("look at users"):
            pipeline = self._client.pipeline(transaction=False)
            pipeline.mget([keys.last_seen(each) for each in user_ids])
            shards = _ask_online(pipeline, user_ids)
            for room_id in room_ids:
                pipeline.exists(keys.room_members(room_id))
                pipeline.smismember(keys.room_members(room_id), list(user_ids))
                pipeline.smismember(keys.room_online(room_id), list(user_ids))
            times, *rest = pipeline.execute()
        online, rooms = _who_is_online(shards, rest[: len(shards)]), rest[len(shards) :]
        sharing = {
            user_id
            for marks in (*rooms[1::3], *rooms[2::3])
            for user_id, mark in zip(user_ids, marks, strict=True)
            if mark
        }
        users = {
            user_id: UserPresence(user_id in online, seen.decode() if seen else None)
            for user_id, seen in zip(user_ids, times, strict=True)
        }
        cold = tuple(room_id for room_id, exists in zip(room_ids, rooms[::3], strict=True) if not exists)
        return Look(frozenset(sharing), cold, users)

    def online(self, user_ids: Sequence[str]) -> set[str]:
        """Return who of these users is online, in one round trip; raises BrokerUnavailable."""
        if not user_ids:
            return set()
        with translated("look who is online"):
            pipeline = self._client.pipeline(transaction=False)
            shards = _ask_online(pipeline, user_ids)
            return _who_is_online(shards, pipeline.execute())

    def _names(self, user_ids: list[str]) -> dict[str, str]:
        """Return the names of those who are online; whoever else a room's set still holds is gone."""
        if not user_ids:
            return {}
        pipeline = self._client.pipeline(transaction=False)
        pipeline.mget([keys.online(each) for each in user_ids])
        shards = _ask_online(pipeline, user_ids)
        names, *scores = pipeline.execute()
        online = _who_is_online(shards, scores)
        return {
            user_id: name.decode() if name else user_id
            for user_id, name in zip(user_ids, names, strict=True)
            if user_id in online
        }


def _ask_online(pipeline: Any, user_ids: Sequence[str]) -> list[list[str]]:
    """Ask whose leases live: the public keys follow them within a round trip. Return the users of each reply."""
    shards: dict[int, list[str]] = defaultdict(list)
    for user_id in user_ids:
        shards[keys.shard_of(user_id)].append(user_id)
    for shard, members in shards.items():
        pipeline.zmscore(keys.presence_due(shard), members)
    return list(shards.values())


def _who_is_online(shards: list[list[str]], replies: Sequence[Any]) -> set[str]:
    return {
        user_id
        for members, scores in zip(shards, replies, strict=True)
        for user_id, score in zip(members, scores, strict=True)
        if score is not None
    }
