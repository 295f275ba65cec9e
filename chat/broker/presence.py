"""Presence in Redis: leases of users by server, each step of theirs atomic, and the public keys that show it.

A step has two halves, so that it can be repeated after any fault: `decide` runs the scripts, which know who came
online and who went offline, and tell the latter; `show` writes the public keys and tells the former, so that they
can be found by whoever hears of them. However many users a batch holds, each half is one pipeline.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import redis

from chat.broker import keys, scripts
from chat.broker.client import translated
from chat.model.clock import now_ms, rfc3339
from chat.model.presence import Batch, Decided, Holding, StatusChange, write_changes

ONLINE_TTL_S = 300  # of chat:online, chat:connection and chat:room_online
LAST_SEEN_TTL_S = 86_400
ROOMS_LIMIT = 500  # of a user's cached rooms, those that hear of a coming without the user joining them
ANY_SERVER = "-"


class RedisPresence:
    """The side of a server, `node_id`, that tells; a sweep has no leases and is `ANY_SERVER`."""

    def __init__(self, client: redis.Redis, node_id: str = ANY_SERVER, lease_s: float = 0) -> None:
        self._client = client
        self._node_id = node_id
        self._lease_ms = round(lease_s * 1000)
        self._arrive = client.register_script(scripts.load("arrive_presence").source)
        self._renew = client.register_script(scripts.load("renew_presence").source)
        self._leave = client.register_script(scripts.load("leave_presence").source)
        self._exit = client.register_script(scripts.load("exit_rooms").source)

    def decide(self, batch: Batch) -> Decided:
        """Run a batch's steps; raises BrokerUnavailable, and then any of them may have happened."""
        with translated("decide presence"):
            cached = self._cached_rooms([each.user_id for each in batch.arrivals if each.is_new])
            pipeline = self._client.pipeline(transaction=False)
            asked = self._ask(pipeline, batch, cached)
            replies = pipeline.execute() if asked else []
        lost: set[str] = set()
        known = {each.user_id for each in batch.arrivals if not each.is_new}
        rooms_of = {each.user_id: {room.encode() for room in each.rooms} for each in batch.arrivals}
        changes = []
        for (user_id, name), (status, *rest) in zip(asked, replies, strict=True):
            if status == b"renewed":
                lost.update(each.decode() for each in rest)
                continue
            if status == b"online" and user_id in known:
                lost.add(user_id)
            change = _change(status, user_id, name, rest)
            if batch.is_repeated and status in (b"online", b"already"):
                change = _change(status, user_id, name, [rest[0], *rooms_of[user_id].union(rest[1:])])
            if change is not None:
                changes.append(change)
        return Decided(tuple(changes), frozenset(lost))

    def show(self, batch: Batch, decided: Decided) -> None:
        """Write what a batch came to into the public keys, and tell every server; safe to repeat."""
        seen = rfc3339(now_ms())
        with translated("show presence"):
            pipeline = self._client.pipeline(transaction=False)
            for each in (*batch.arrivals, *batch.renewals):
                if each.user_id not in decided.lost:
                    self._show_user(pipeline, each, seen)
            rooms: dict[str, list[str]] = defaultdict(list)
            for each in batch.renewals:
                for room_id in each.rooms if each.user_id not in decided.lost else ():
                    rooms[room_id].append(each.user_id)
            for change in decided.changes:
                if change.kind == "online":
                    for room_id in change.rooms:
                        rooms[room_id].append(change.user_id)
            for room_id, user_ids in rooms.items():
                pipeline.sadd(keys.room_online(room_id), *user_ids)
                pipeline.expire(keys.room_online(room_id), ONLINE_TTL_S)
            self._show_going(pipeline, batch, decided, seen)
            if told := [each for each in decided.changes if each.kind != "offline"]:
                pipeline.publish(keys.PRESENCE_CHANNEL, write_changes(told))
            if len(pipeline):
                pipeline.execute()

    def shorten(self, user_ids: Sequence[str], lease_s: float) -> None:
        """Let the leases of all these users end soon, in one round trip: the server is leaving.

        Raises: BrokerUnavailable.
        """
        with translated("shorten leases"):
            pipeline = self._client.pipeline(transaction=False)
            if self._ask_renewals(pipeline, user_ids, round(lease_s * 1000)):
                pipeline.execute()

    def expired(self, limit: int) -> list[str]:
        """Return up to `limit` users of each shard whose last lease ended; raises BrokerUnavailable."""
        with translated("find ended leases"):
            seconds, micros = self._client.time()
            now = seconds * 1000 + micros // 1000
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(keys.SHARDS):
                pipeline.zrangebyscore(keys.presence_due(shard), "-inf", now, start=0, num=limit)
            return [user_id.decode() for found in pipeline.execute() for user_id in found]

    def count_sweep(self, expired: int) -> None:
        """Count a sweep and the users that it found; raises BrokerUnavailable."""
        with translated("count sweep"):
            pipeline = self._client.pipeline(transaction=False)
            pipeline.hincrby(keys.WORK_STATS, "presence_sweeps", 1)
            pipeline.hincrby(keys.WORK_STATS, "presence_expired", expired)
            pipeline.execute()

    def _cached_rooms(self, user_ids: Sequence[str]) -> dict[str, list[str]]:
        """Return the rooms that the membership cache knows users to be in."""
        if not user_ids:
            return {}
        pipeline = self._client.pipeline(transaction=False)
        for user_id in user_ids:
            pipeline.srandmember(keys.user_rooms(user_id), ROOMS_LIMIT)
        replies = pipeline.execute()
        return {user: [each.decode() for each in rooms] for user, rooms in zip(user_ids, replies, strict=True)}

    def _ask(self, pipeline: Any, batch: Batch, cached: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
        """Put a batch's steps into a pipeline; return user and name for each of its replies."""
        asked, seen = [], rfc3339(now_ms())
        for node_id, exits in ((ANY_SERVER, batch.removals), (self._node_id, batch.exits)):
            for user_id, rooms in exits.items():
                places = [keys.presence_rooms(user_id), keys.presence_lease(user_id)]
                self._exit(places, (node_id, *rooms), client=pipeline)
                asked.append((user_id, ""))
        for each in batch.arrivals:
            others = [room_id for room_id in cached.get(each.user_id, ()) if room_id not in each.rooms]
            args: list[Any] = [each.user_id, self._node_id, self._lease_ms, len(each.rooms), *each.rooms, *others]
            self._arrive(_user_keys(each.user_id), args, client=pipeline)
            asked.append((each.user_id, each.name))
        renewed = [each.user_id for each in batch.renewals]
        asked += [("", "")] * self._ask_renewals(pipeline, renewed, self._lease_ms)
        for user_id in batch.departures:
            args = [user_id, self._node_id, keys.PRESENCE_CHANNEL, seen]
            self._leave(_user_keys(user_id), args, client=pipeline)
            asked.append((user_id, ""))
        return asked

    def _ask_renewals(self, pipeline: Any, user_ids: Iterable[str], lease_ms: int) -> int:
        """Renew leases, one script call a shard and 200 users; return how many calls."""
        shards: dict[int, list[str]] = defaultdict(list)
        for user_id in user_ids:
            shards[keys.shard_of(user_id)].append(user_id)
        calls = 0
        for shard, members in shards.items():
            rest = iter(members)
            while some := list(islice(rest, 200)):  # so that one call does not hold Redis for long
                own = [key for each in some for key in (keys.presence_lease(each), keys.presence_rooms(each))]
                self._renew([keys.presence_due(shard), *own], [self._node_id, lease_ms, *some], client=pipeline)
                calls += 1
        return calls

    def _show_user(self, pipeline: Any, held: Holding, seen: str) -> None:
        pipeline.set(keys.online(held.user_id), held.name, ex=ONLINE_TTL_S)
        pipeline.set(keys.last_seen(held.user_id), seen, ex=LAST_SEEN_TTL_S)
        for connection_id in held.connections:
            key = keys.connection(connection_id)
            pipeline.hset(key, mapping={"user": held.user_id, "server": self._node_id})
            pipeline.expire(key, ONLINE_TTL_S)

    def _show_going(self, pipeline: Any, batch: Batch, decided: Decided, seen: str) -> None:
        taken_out: Collection[tuple[str, Collection[str]]] = [
            *((each.user_id, each.rooms) for each in decided.changes if each.kind != "online"),
            *batch.removals.items(),
        ]
        for user_id, rooms in taken_out:
            for room_id in rooms:
                pipeline.srem(keys.room_online(room_id), user_id)
        for change in decided.changes:
            if change.kind == "offline":
                pipeline.delete(keys.online(change.user_id))
                pipeline.set(keys.last_seen(change.user_id), seen, ex=LAST_SEEN_TTL_S)
        for connection_id in batch.closed:
            pipeline.delete(keys.connection(connection_id))


def _user_keys(user_id: str) -> list[str]:
    due = keys.presence_due(keys.shard_of(user_id))
    return [keys.presence_lease(user_id), keys.presence_rooms(user_id), due]


def _change(status: bytes, user_id: str, name: str, rest: list[Any]) -> StatusChange | None:
    """Read what a script answered; None when it changed nothing."""
    at_us, rooms = int(rest[0]), [each.decode() for each in rest[1:]]
    is_offline = status in (b"offline", b"gone")  # gone: the public keys may still say otherwise
    if status == b"elsewhere" or not (rooms or is_offline):
        return None
    kind: Any = "offline" if is_offline else "left" if status == b"left" else "online"
    return StatusChange(kind, user_id, at_us, rfc3339(at_us // 1000), name, rooms)
