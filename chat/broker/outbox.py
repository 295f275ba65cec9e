"""The worker's side of the outbox: take, confirm, retract, and what a dead worker left.

An entry leaves the outbox in the same step that confirms or retracts its last message, so a worker
killed anywhere only repeats work.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, cast

import redis
from redis.exceptions import ResponseError

from chat.broker import keys, scripts
from chat.broker.base import CONFLICT, SUSPECT_ABOVE, Confirmation, OutboxEntry, OutboxMessage, Retraction
from chat.broker.client import translated
from chat.broker.push_news import NewsOfBatches

# Messages in one round trip of confirmations: Redis runs them in one go, about 1 ms, and every server then has as
# many senders to tell in one turn of its loop; whoever sends meanwhile waits for both.
CONFIRM_TOGETHER = 50
log = logging.getLogger(__name__)


class Outbox:
    """All shards' outboxes, read as one consumer of the drain group."""

    def __init__(
        self, client: redis.Redis, *, consumer: str, log_length: int, news: NewsOfBatches | None = None
    ) -> None:
        self._client = client
        self._news = news  # notes what is confirmed for pushes; None: nobody is pushed
        self._consumer = consumer
        self._log_length = log_length
        self._confirm = client.register_script(scripts.load("confirm_messages").source)
        self._retract = client.register_script(scripts.load("retract_message").source)
        self._forget = client.register_script(scripts.load("forget_consumers").source)
        self._repair = client.register_script(scripts.load("repair_counters").source)

    def take(self, limit: int) -> list[OutboxEntry]:
        """Return up to `limit` entries of each shard that no consumer has had yet."""
        with translated("take from outbox"):
            replies = self._on_each_shard(
                lambda pipeline, shard: pipeline.xreadgroup(
                    keys.GROUP, self._consumer, {keys.outbox(shard): ">"}, count=limit
                )
            )
            return [
                entry
                for shard, streams in enumerate(replies)
                for entries in _entries_of(streams)
                for entry in self._readable(shard, entries)
            ]

    def reclaim(self, min_idle_ms: int, limit: int) -> list[OutboxEntry]:
        """Return entries that a consumer took and has not finished for `min_idle_ms`; they are ours now.

        Those that were delivered oftener than `SUSPECT_ABOVE` times come one by one, when no other is left:
        one of them may be what kills the workers, and none may come to be suspected for another's sake.
        """
        with translated("reclaim from outbox"):
            waiting = self._on_each_shard(
                lambda pipeline, shard: pipeline.xpending_range(
                    keys.outbox(shard), keys.GROUP, "-", "+", limit, idle=min_idle_ms
                )
            )
            deliveries = {
                (shard, row["message_id"]): row["times_delivered"]
                for shard, rows in enumerate(waiting)
                for row in rows
            }
            chosen = [place for place, count in deliveries.items() if count < SUSPECT_ABOVE]
            chosen = chosen or list(deliveries)[:1]
            return [
                replace(entry, deliveries=deliveries[entry.shard, entry.entry_id.encode()] + 1)
                for entry in self._claim(chosen, min_idle_ms)
            ]

    def keep(self, entries: Collection[OutboxEntry], *, idle_ms: int = 0) -> None:
        """Stay the owner of entries that can't be settled yet, and forget their deliveries.

        Whoever calls this has tried them and lives, so they kill nobody. With `idle_ms` they look as if they
        had waited that long: the next `reclaim` takes them at once.
        """
        with translated("keep entries"):
            pipeline = self._client.pipeline(transaction=False)
            for shard, group in groupby(sorted(entries, key=_shard_of), key=_shard_of):
                ids: list[Any] = [entry.entry_id for entry in group]
                place = (keys.outbox(shard), keys.GROUP, self._consumer)
                pipeline.xclaim(*place, 0, ids, idle=idle_ms, retrycount=0 if idle_ms else 1, justid=True)
            pipeline.execute()

    def settled(self, shard: int) -> set[str]:
        """Return `entry:seq` of the messages that are settled inside entries that are not."""
        with translated("read settled messages"):
            names = cast("list[bytes]", self._client.hkeys(keys.partial(shard)))
            return {name.decode() for name in names}

    def confirm(self, confirmations: Collection[Confirmation]) -> int:
        """Tell rooms and senders that these are stored, and take them out; return how many are news.

        A round trip confirms whole rooms, CONFIRM_TOGETHER messages or a little more.
        """
        with translated("confirm"):
            return sum(self._confirm_rooms(rooms) for rooms in _together(confirmations))

    def retract(self, retraction: Retraction) -> bool:
        """Give one message up; return False when it was settled before."""
        return self.retract_all([retraction]) == 1

    def retract_all(self, retractions: Collection[Retraction]) -> int:
        """Give messages up in one round trip; return how many of them were not settled before."""
        with translated("retract"):
            pipeline = self._client.pipeline(transaction=False)
            for each in retractions:
                self._retract(*_retract_call(each, self._log_length), client=pipeline)
            return sum(reply[0] == b"retracted" for reply in pipeline.execute())

    def lengths(self) -> list[int]:
        """Return how many messages wait in each shard."""
        with translated("read outbox lengths"):
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(keys.SHARDS):
                pipeline.xlen(keys.outbox(shard))
            return cast("list[int]", pipeline.execute())

    def ensure_groups(self, shards: Iterable[int] = range(keys.SHARDS)) -> None:
        """Create the drain group where it is missing, from the outbox's first entry on (never `$`)."""
        with translated("create groups"):
            for shard in shards:
                try:
                    self._client.xgroup_create(keys.outbox(shard), keys.GROUP, id="0", mkstream=True)
                except ResponseError as exc:
                    if "BUSYGROUP" not in str(exc):
                        raise

    def forget_idle_consumers(self, idle_ms: int) -> int:
        """Remove the names of consumers that are gone and hold nothing; return how many."""
        with translated("forget consumers"):
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(keys.SHARDS):
                self._forget([keys.outbox(shard)], [keys.GROUP, idle_ms], client=pipeline)
            return sum(int(reply[1]) for reply in pipeline.execute())

    def repair_counters(self) -> int:
        """Make the counters of empty outboxes say that nothing waits; return by how much they were wrong."""
        with translated("repair counters"):
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(keys.SHARDS):
                self._repair([keys.outbox(shard), keys.stats(shard)], client=pipeline)
            return sum(abs(int(reply[1])) for reply in pipeline.execute())

    def _on_each_shard(self, add: Any) -> list[Any]:
        """Run one command per shard in one round trip; a missing group (Redis lost it) is made, once.

        What the other shards answered counts: entries that they gave are ours and would not be given again.
        """
        replies = self._on_shards(range(keys.SHARDS), add)
        lost = [shard for shard, reply in enumerate(replies) if "NOGROUP" in _error_of(reply)]
        if lost:
            log.info("outbox-groups-missing", extra={"shards": len(lost), "action": "create them"})
            self.ensure_groups(lost)
            for shard, reply in zip(lost, self._on_shards(lost, add), strict=True):
                replies[shard] = reply
        return _without_errors(replies)

    def _on_shards(self, shards: Sequence[int], add: Any) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for shard in shards:
            add(pipeline, shard)
        return pipeline.execute(raise_on_error=False)

    def _claim(self, places: list[tuple[int, bytes]], min_idle_ms: int) -> list[OutboxEntry]:
        if not places:
            return []
        pipeline = self._client.pipeline(transaction=False)
        shards = []
        for shard, group in groupby(places, key=lambda place: place[0]):
            ids: list[Any] = [entry_id for _, entry_id in group]
            pipeline.xclaim(keys.outbox(shard), keys.GROUP, self._consumer, min_idle_ms, ids)
            shards.append(shard)
        claimed = zip(shards, pipeline.execute(), strict=True)
        return [entry for shard, entries in claimed for entry in self._readable(shard, entries)]

    def _readable(self, shard: int, entries: Iterable[tuple[bytes, Any]]) -> Iterable[OutboxEntry]:
        """Parse entries; one that nobody can read is buried, so that it never stops the others."""
        for entry_id, fields in entries:
            if fields:  # else it was settled between two commands
                try:
                    yield parse_entry(shard, entry_id, fields)
                except (ValueError, KeyError):
                    self._bury(shard, entry_id, fields)

    def _bury(self, shard: int, entry_id: bytes, fields: dict[bytes, bytes]) -> None:
        log.error("outbox-entry-unreadable", extra={"shard": shard, "action": "dead letter"})
        raw = b" ".join(fields.values())
        letter: Any = {"room": "", "m": raw, "code": "unreadable", "text": "", "at": _now_ms()}
        pipeline = self._client.pipeline(transaction=True)
        pipeline.xadd(keys.dead(shard), letter)
        pipeline.xack(keys.outbox(shard), keys.GROUP, entry_id)
        pipeline.xdel(keys.outbox(shard), entry_id)
        pipeline.execute()

    def _confirm_rooms(self, rooms: Collection[list[Confirmation]]) -> int:
        """Confirm, in one round trip; return how many are news."""
        pipeline = self._client.pipeline(transaction=False)
        # Ahead of the confirmation, so that a crash repeats it and forgets nobody who has to be notified.
        ahead = self._news.add_to(pipeline, [each for group in rooms for each in group]) if self._news else 0
        for group in rooms:
            self._confirm_room(pipeline, group[0].entry.room_id, group[0].entry.epoch, group)
        replies = pipeline.execute(raise_on_error=not ahead)
        if self._news:
            self._news.added(replies[:ahead])
        return sum(int(reply[1]) for reply in _without_errors(replies[ahead:]))

    def _confirm_room(self, pipeline: Any, room_id: str, epoch: str, group: list[Confirmation]) -> None:
        shard = keys.shard_of(room_id)
        args: list[Any] = [keys.GROUP, epoch, room_id, keys.room_channel(room_id), keys.USER_CHANNEL_PREFIX]
        for _, same in groupby(group, key=lambda each: each.entry.entry_id):
            of_entry = list(same)
            entry = of_entry[0].entry
            args += (entry.entry_id, entry.first_seq, len(entry.messages), len(of_entry))
            for each in of_entry:
                args += (each.message.seq, each.message.sender_id, each.frame)
        room_keys = [keys.outbox(shard), keys.partial(shard), keys.stats(shard)]
        room_keys += [keys.head(room_id), keys.log(room_id), keys.removed(room_id)]
        self._confirm(room_keys, args, client=pipeline)


def parse_entry(shard: int, entry_id: bytes, fields: dict[bytes, bytes]) -> OutboxEntry:
    """Read an outbox entry, in the form that `accept_messages.lua` gives it."""
    header, *lines = fields[b"m"].split(b"\n")
    room_id, epoch, first_seq, _ = header.decode().split(" ")
    messages = []
    for seq, (origin, members) in enumerate(zip(lines[::2], lines[1::2], strict=True), int(first_seq)):
        sender_id, temp_id, accepted_ms = origin.decode().split(" ")
        messages.append(OutboxMessage(room_id, epoch, seq, sender_id, temp_id, int(accepted_ms), members))
    return OutboxEntry(shard, entry_id.decode(), room_id, epoch, int(first_seq), tuple(messages))


def _entries_of(streams: Any) -> Iterable[list[tuple[bytes, dict[bytes, bytes]]]]:
    """Return the entry lists of an XREADGROUP reply, whichever protocol version shaped it."""
    if not streams:
        return []
    if isinstance(streams, dict):
        return [entries for lists in streams.values() for entries in lists]
    return [entries for _, entries in streams]


def _retract_call(retraction: Retraction, log_length: int) -> tuple[list[str], list[Any]]:
    entry, message = retraction.entry, retraction.message
    room_id, shard = entry.room_id, entry.shard
    letter = f"{message.sender_id} {message.temp_id} {message.accepted_ms}\n".encode() + message.members
    dedupe = keys.dedupe(room_id, message.sender_id, message.temp_id)
    script_keys = [
        *(keys.outbox(shard), keys.partial(shard), keys.stats(shard)),
        *(keys.head(room_id), keys.log(room_id), dedupe, keys.dead(shard)),
        *(keys.removed(room_id), keys.unstored(shard)),
    ]
    return script_keys, [
        *(keys.GROUP, entry.entry_id, entry.first_seq, len(entry.messages)),
        *(room_id, entry.epoch, message.seq, message.sender_id, letter),
        *(retraction.code, int(retraction.retryable), retraction.text, retraction.frame),
        *(keys.room_channel(room_id), keys.USER_CHANNEL_PREFIX, log_length, _now_ms()),
        int(retraction.code != CONFLICT),
    ]


def _together(confirmations: Iterable[Confirmation]) -> Iterable[list[list[Confirmation]]]:
    """Group by room and epoch, and rooms by the round trips that confirm them."""
    rooms: dict[tuple[str, str], list[Confirmation]] = {}
    for each in confirmations:
        rooms.setdefault((each.entry.room_id, each.entry.epoch), []).append(each)
    some: list[list[Confirmation]] = []
    for group in rooms.values():
        some.append(group)
        if sum(map(len, some)) >= CONFIRM_TOGETHER:
            yield some
            some = []
    if some:
        yield some


def _without_errors(replies: list[Any]) -> list[Any]:
    """Return them; raises the first one that is an error."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies


def _shard_of(entry: OutboxEntry) -> int:
    return entry.shard


def _error_of(reply: Any) -> str:
    return str(reply) if isinstance(reply, Exception) else ""


def _now_ms() -> int:
    return int(time.time() * 1000)
