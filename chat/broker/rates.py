"""Token buckets of users that all servers share."""

from __future__ import annotations

from collections.abc import Mapping

import redis

from chat.broker import keys, scripts
from chat.broker.client import translated


class RedisRates:
    """`chat:rate:USER`, spent from in one round trip for many users."""

    def __init__(self, client: redis.Redis, *, per_s: float, burst_s: float) -> None:
        self._client = client
        self._per_s = per_s
        self._burst_s = burst_s
        self._spend = client.register_script(scripts.load("spend_rate").source)

    def spend(self, spent: Mapping[str, int]) -> dict[str, float]:
        """Take what users have done from their buckets; return how many seconds each has to wait now.

        Raises: BrokerUnavailable.
        """
        with translated("spend rate"):
            pipeline = self._client.pipeline(transaction=False)
            for user_id, count in spent.items():
                self._spend([keys.rate(user_id)], [count, self._per_s, self._burst_s], client=pipeline)
            waits = pipeline.execute()
        return {user_id: reply[1] / 1000 for user_id, reply in zip(spent, waits, strict=True)}
