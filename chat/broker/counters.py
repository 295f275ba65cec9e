"""What all servers and workers did, and what each server holds right now, for `/stats`."""

from __future__ import annotations

import time
from typing import Any, cast

import msgspec
import redis

from chat.broker import keys
from chat.broker.client import translated

STALE_S = 10.0  # a server that has not reported for so long is gone
FORGET_S = 600.0


class Counters:
    """Sums over the counters that scripts, workers and servers keep in Redis."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def totals(self) -> dict[str, int]:
        """Return accepted, confirmed, retracted, waiting, and what workers counted."""
        with translated("read counters"):
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(keys.SHARDS):
                pipeline.hgetall(keys.stats(shard))
            pipeline.hgetall(keys.WORK_STATS)
            *shards, work = cast("list[dict[bytes, bytes]]", pipeline.execute())
        totals = {name: _sum(shards, name) for name in ("accepted", "confirmed", "retracted")}
        totals["waiting"] = totals["accepted"] - totals["confirmed"] - totals["retracted"]
        return totals | {name: _sum([work], name) for name in ("store_round_trips", "drain_tasks", "unread_drift")}

    def report(self, node_id: str, gauges: dict[str, int]) -> None:
        """Tell what this server holds."""
        with translated("report server"):
            self._client.hset(keys.NODES, node_id, msgspec.json.encode({"at": time.time(), **gauges}))

    def withdraw(self, node_id: str) -> None:
        """Tell that this server is leaving."""
        with translated("withdraw server"):
            self._client.hdel(keys.NODES, node_id)

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
