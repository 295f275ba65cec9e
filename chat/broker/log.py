"""Reads of a room's log, the cold start of its numbering, and the fate of temp ids, over redis-py."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import redis

from chat.broker import keys, scripts
from chat.broker.base import Fate, LogRead, OutboxMessage
from chat.broker.client import translated
from chat.broker.outbox import parse_entry
from chat.model.ids import new_epoch

DEDUPE_TTL_S = 86_400  # the contract's 24 h
NEWEST_ENTRIES = 100
SCAN_ENTRIES = 500  # outbox entries read at once when a page of history has messages that still wait


class RedisRoomLog:
    """`chat.broker.base.RoomLog` on a redis-py client."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._read = client.register_script(scripts.load("read_log").source)
        self._warm = client.register_script(scripts.load("warm_room").source)
        self._fates = client.register_script(scripts.load("read_fates").source)

    def read(self, room_id: str, epoch: str = "", offset: int = 0) -> LogRead:
        """Return the events after `offset` of `epoch`, or only the position when `epoch` is empty."""
        shard = keys.shard_of(room_id)
        room_keys = [keys.head(room_id), keys.log(room_id), keys.outbox(shard), keys.partial(shard)]
        with translated("read log"):
            return _log_read(self._read(room_keys, [epoch, offset]))

    def newest(self, room_id: str, offset: int) -> list[bytes]:
        """Return some of the log's newest events up to `offset`, newest first.

        The first may lie behind it: an entry stands under its last event's offset, so the one that follows
        may have begun before.
        """
        with translated("read log"):
            pipeline = self._client.pipeline(transaction=False)
            pipeline.xrange(keys.log(room_id), f"{offset + 1}-0", "+", count=1)
            pipeline.xrevrange(keys.log(room_id), f"{offset}-0", "-", count=NEWEST_ENTRIES)
            following, reached = pipeline.execute()
        return [fields[b"e"] for _, fields in following + reached]

    def positions(self, room_ids: Sequence[str]) -> list[tuple[str, int]]:
        """Return (epoch, offset) of each room's log, ("", 0) where Redis knows none, in one round trip."""
        with translated("read positions"):
            pipeline = self._client.pipeline(transaction=False)
            for room_id in room_ids:
                pipeline.hmget(keys.head(room_id), "epoch", "offset")
            heads = pipeline.execute()
        return [(epoch.decode(), int(offset)) if epoch else ("", 0) for epoch, offset in heads]

    def warm(
        self,
        room_id: str,
        last_seq: int,
        sent: Sequence[tuple[str, str, int, str]],
        removed: Collection[int] = (),
    ) -> LogRead:
        """Start the numbering after `last_seq` under a new epoch, unless another was first.

        `sent` holds (sender, temp id, seq, epoch) of the newest stored messages: they are known as sent
        before anything can be accepted again, so a resend stays a duplicate after Redis lost everything.
        `removed` holds all numbers up to `last_seq` that stand for no message.
        """
        with translated("warm room"):
            pipeline = self._client.pipeline(transaction=False)
            for sender_id, temp_id, seq, epoch in sent:
                key = keys.dedupe(room_id, sender_id, temp_id)
                pipeline.set(key, f"{seq} {epoch} -", nx=True, ex=DEDUPE_TTL_S)
            pipeline.execute()
            room_keys = [keys.head(room_id), keys.log(room_id), keys.outbox(keys.shard_of(room_id))]
            args: list[Any] = [new_epoch(), last_seq, room_id, _epochs(sent), *removed]
            self._warm([*room_keys, keys.removed(room_id), keys.read(room_id)], args)
        return self.read(room_id)

    def fates(self, room_id: str, sent: Sequence[tuple[str, str]]) -> list[Fate]:
        """Return what became of each (sender, temp id), in order."""
        dedupe_keys = [keys.dedupe(room_id, sender_id, temp_id) for sender_id, temp_id in sent]
        shard = keys.shard_of(room_id)
        with translated("read fates"):
            replies = self._fates([keys.outbox(shard), keys.partial(shard), *dedupe_keys])
        return [_fate(each.decode()) for each in replies]

    def waiting(self, room_id: str, seqs: Collection[int]) -> dict[int, OutboxMessage]:
        """Return those messages of the room that are accepted and neither stored nor given up yet."""
        shard, wanted = keys.shard_of(room_id), set(seqs)
        found: dict[int, OutboxMessage] = {}
        start = "-"
        with translated("read waiting messages"):
            settled = set(self._client.hkeys(keys.partial(shard))) if wanted else set()
            while len(found) < len(wanted):
                entries: Any = self._client.xrange(keys.outbox(shard), start, "+", count=SCAN_ENTRIES)
                for entry_id, fields in entries:
                    if fields[b"m"].startswith(f"{room_id} ".encode()):
                        entry = parse_entry(shard, entry_id, fields)
                        found |= {
                            each.seq: each
                            for each in entry.messages
                            if each.seq in wanted and f"{entry.entry_id}:{each.seq}".encode() not in settled
                        }
                if len(entries) < SCAN_ENTRIES:
                    break
                start = f"({entries[-1][0].decode()}"
        return found


def _epochs(sent: Sequence[tuple[str, str, int, str]]) -> str:
    """Return from which number on each epoch gave the numbers of these messages: `FROM:EPOCH …`, ascending."""
    runs: list[tuple[int, str]] = []
    for _, _, seq, epoch in sorted(sent, key=lambda each: each[2]):
        if not runs or runs[-1][1] != epoch:
            runs.append((seq, epoch))
    return " ".join(f"{seq}:{epoch}" for seq, epoch in runs)


def _log_read(reply: list[Any]) -> LogRead:
    status = reply[0].decode()
    if status == "cold":
        return LogRead("cold")
    return LogRead(status, reply[1].decode(), reply[2], reply[3], tuple(reply[4]), frozenset(reply[5]))


def _fate(text: str) -> Fate:
    state, *rest = text.split(" ")
    if state == "unknown":
        return Fate("unknown")
    if state != "failed":
        return Fate(state, int(rest[0]), rest[1])
    retryable, seq, epoch, code, error_text = text.split(" ", 5)[1:]
    return Fate("failed", int(seq), epoch, code, error_text, retryable == "1")
