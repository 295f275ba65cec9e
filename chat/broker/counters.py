"""What all servers and workers did, and what each server holds right now, for `/stats`."""

from __future__ import annotations

import time
from typing import Any, cast

import msgspec
import redis

from chat.broker import keys
from chat.broker.client import translated
from chat.model.clock import now_ms
from chat.model.device import DeviceKind

STALE_S = 10.0  # a server that has not reported for so long is gone
LISTED_S = 8.0  # servers' clocks may differ by the rest
FORGET_S = 600.0


# What workers count: round trips to the store and drains; changes of rooms that a crash had interrupted; caches
# that were compared with the store, those that were wrong, and memberships that only one side knew; sweeps of
# presence, and the users that they found gone; rooms of users whose unread messages were compared with the store,
# and counters of them that were wrong; counters of outboxes that were wrong, and names that dead workers left
# there; what became of pushes. They are told as 0 before anybody counted any.
WORK = (
    *("store_round_trips", "drain_tasks", "changes_finished"),
    *("caches_checked", "caches_mended", "memberships_mended"),
    *("presence_sweeps", "presence_expired", "unread_checked", "unread_drift"),
    *("outbox_counters_mended", "consumers_forgotten"),
    *("push_noted", "push_withdrawn", "push_skipped", "push_delivered", "push_cleared", "push_retried"),
    *("push_gone", "push_refused", "push_given_up", "push_paused", "push_repeated", "push_circuits_opened"),
    "push_devices_pruned",
)


class Counters:
    """Sums over the counters that scripts, workers and servers keep in Redis."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._reported_at = -STALE_S  # monotonic

    @property
    def listed_until(self) -> float:
        """Until when (monotonic) the other servers count with the one that reports here."""
        return self._reported_at + LISTED_S

    def totals(self) -> dict[str, int]:
        """Return accepted, confirmed, retracted and waiting, and what workers count, by name."""
        with translated("read counters"):
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(keys.SHARDS):
                pipeline.hgetall(keys.stats(shard))
            pipeline.hgetall(keys.WORK_STATS)
            *shards, work = cast("list[dict[bytes, bytes]]", pipeline.execute())
        totals = {name: _sum(shards, name) for name in ("accepted", "confirmed", "retracted")}
        totals["waiting"] = totals["accepted"] - totals["confirmed"] - totals["retracted"]
        return totals | dict.fromkeys(WORK, 0) | {name.decode(): int(value) for name, value in work.items()}

    def pushes(self) -> dict[str, dict[DeviceKind, int]]:
        """Return what waits for push providers, how many services are left alone, and their dead letters."""
        with translated("read push figures"):
            pipeline = self._client.pipeline(transaction=False)
            for kind in DeviceKind:
                pipeline.zcard(keys.push_due(kind))
                pipeline.xlen(keys.push_dead(kind))
            pipeline.zrangebyscore(keys.PUSH_STOPPED, now_ms(), "+inf")
            *replies, names = pipeline.execute()
        stopped = [name.decode().partition("@")[0] for name in names]  # of Web Push one for each service
        return {
            "waiting": dict(zip(DeviceKind, replies[::2], strict=True)),
            "stopped": {kind: stopped.count(kind) for kind in DeviceKind},
            "dead": dict(zip(DeviceKind, replies[1::2], strict=True)),
        }

    def add_work(self, done: dict[str, int]) -> None:
        """Add to what workers count."""
        with translated("count work"):
            pipeline = self._client.pipeline(transaction=False)
            for name, amount in done.items():
                pipeline.hincrby(keys.WORK_STATS, name, amount)
            pipeline.execute()

    def report(self, node_id: str, gauges: dict[str, int]) -> None:
        """Tell what this server holds."""
        at = time.monotonic()
        with translated("report server"):
            self._client.hset(keys.NODES, node_id, msgspec.json.encode({"at": time.time(), **gauges}))
        self._reported_at = at

    def withdraw(self, node_id: str) -> None:
        """Tell that this server is leaving."""
        with translated("withdraw server"):
            self._client.hdel(keys.NODES, node_id)

    def live(self) -> set[str]:
        """Return the servers that told of themselves lately."""
        with translated("read servers"):
            rows = cast("dict[bytes, bytes]", self._client.hgetall(keys.NODES))
        oldest = time.time() - STALE_S
        return {name.decode() for name, row in rows.items() if msgspec.json.decode(row)["at"] > oldest}

    def others(self, node_id: str) -> list[dict[str, Any]]:
        """Return what the other servers told lately; those long gone are forgotten."""
        now = time.time()
        with translated("read servers"):
            rows = cast("dict[bytes, bytes]", self._client.hgetall(keys.NODES))
            told = {name: msgspec.json.decode(row) for name, row in rows.items()}
            gone = [name for name, row in told.items() if row["at"] < now - FORGET_S]
            if gone:
                self._client.hdel(keys.NODES, *gone)
        return [row for name, row in told.items() if name.decode() != node_id and row["at"] > now - STALE_S]


def _sum(rows: list[dict[bytes, bytes]], name: str) -> int:
    return sum(int(row.get(name.encode(), 0)) for row in rows)
