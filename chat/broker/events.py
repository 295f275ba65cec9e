"""Durable events besides messages, over redis-py: appended in one step, and noted before, so that none is lost."""

from __future__ import annotations

import secrets
from typing import Any

import redis

from chat.broker import keys, scripts
from chat.broker.base import Appended, AppendOutcome, Cold, DurableEvent, Intent, Stale
from chat.broker.client import translated
from chat.errors import OutboxFull
from chat.model.clock import now_ms
from chat.model.publication import MembersChange

INTENT_LIMIT = 10_000  # a shard; those that stay behind are few, so a longer list has no one who sweeps it
SWEEP_BATCH = 200  # intents of one shard in one sweep


def new_intent(name: str, room_id: str, subject: str, detail: str) -> Intent:
    """Return a note that nobody else has."""
    return Intent(name, room_id, subject, detail, secrets.token_hex(6))


class RedisEvents:
    """`chat.broker.base.Appending`; `node_id` names the server that acknowledgements are for, if it is one."""

    def __init__(self, client: redis.Redis, *, log_length: int, node_id: str = "-") -> None:
        self._client = client
        self._append = client.register_script(scripts.load("append_event").source)
        self._log_length = log_length
        self._node_id = node_id

    def intend(self, intent: Intent) -> None:
        """Note a change before it is stored; raises BrokerUnavailable, OutboxFull."""
        key = keys.intents(keys.shard_of(intent.room_id))
        with translated("note change"):
            pipeline = self._client.pipeline(transaction=False)
            pipeline.zadd(key, {_text(intent): now_ms()})
            pipeline.zcard(key)
            _, count = pipeline.execute()
        if count > INTENT_LIMIT:
            self.forget(intent)
            raise OutboxFull

    def forget(self, intent: Intent) -> None:
        """Drop the note of a change that was not made, or that needs no telling."""
        with translated("forget change"):
            self._client.zrem(keys.intents(keys.shard_of(intent.room_id)), _text(intent))

    def overdue(self, older_than_s: float) -> list[Intent]:
        """Return notes that stayed behind for so long, the oldest of each shard."""
        before = now_ms() - int(older_than_s * 1000)
        with translated("read changes"):
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(keys.SHARDS):
                pipeline.zrangebyscore(keys.intents(shard), "-inf", before, start=0, num=SWEEP_BATCH)
            found: Any = pipeline.execute()
        return [Intent(*text.decode().split(" ")) for texts in found for text in texts]

    def count_overdue(self, older_than_s: float) -> int:
        """Return how many notes stayed behind for so long."""
        before = now_ms() - int(older_than_s * 1000)
        with translated("count changes"):
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(keys.SHARDS):
                pipeline.zcount(keys.intents(shard), "-inf", before)
            return sum(pipeline.execute())

    def append(self, event: DurableEvent, intent: Intent | None = None, token: str = "") -> AppendOutcome:
        """Give the event its place in the room's log and publish it; safe to repeat."""
        room_id = event.room_id
        header = b""
        if event.is_for_servers:
            asked_by = self._node_id if token else "-"
            header = MembersChange(room_id, event.cut, token, asked_by, list(event.told), b"").header()
        event_keys = [keys.head(room_id), keys.log(room_id), keys.announced(room_id, event.subject)]
        args: list[Any] = [keys.room_channel(room_id), self._log_length, event.name, event.subject, event.revision]
        args += [event.cut, _text(intent) if intent else "", event.head, event.tail, keys.MEMBERS_CHANNEL, header]
        with translated("append event"):
            reply: Any = self._append([*event_keys, keys.intents(keys.shard_of(room_id))], args)
        match reply:
            case [b"announced", epoch, offset, receivers]:
                return Appended(epoch.decode(), offset, receivers, token)
            case [b"stale", revision]:
                return Stale(revision)
        return Cold()


def _text(intent: Intent) -> str:
    return f"{intent.name} {intent.room_id} {intent.subject} {intent.detail} {intent.token}"
