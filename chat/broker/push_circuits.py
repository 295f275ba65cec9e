"""Whether providers are asked: one that fails again and again is left alone for a while, by all workers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import redis

from chat.broker import keys, scripts
from chat.broker.client import translated
from chat.model.clock import now_ms
from chat.model.push import Circuit, Tripped

DAY_MS = 86_400_000


class PushCircuits:
    """One circuit for each provider, by its name."""

    def __init__(
        self, client: redis.Redis, *, failures: int = 10, first_s: float = 30, longest_s: float = 300
    ) -> None:
        self._client = client
        self._policy = [failures, int(first_s * 1000), int(longest_s * 1000)]
        self._trip = client.register_script(scripts.load("trip_circuit").source)

    def of(self, name: str) -> Circuit:
        """Return how one stands."""
        return self.all([name])[name]

    def all(self, names: Collection[str]) -> dict[str, Circuit]:
        """Return how several stand, in one round trip."""
        with translated("read circuits"):
            pipeline = self._client.pipeline(transaction=False)
            for name in names:
                pipeline.hmget(keys.push_circuit(name), "until", "reason", "fails")
            replies = pipeline.execute()
        return {
            name: Circuit(int(until or 0), (reason or b"").decode(), int(fails or 0))
            for name, (until, reason, fails) in zip(names, replies, strict=True)
        }

    def failed(self, name: str, reason: str) -> Tripped:
        """Count a failure; the last of many in a row opens the circuit."""
        return self._tripped(name, reason, 0)

    def pause(self, name: str, reason: str, for_s: float) -> Tripped:
        """Open it at once: an operator has to mend something."""
        return self._tripped(name, reason, int(for_s * 1000))

    def mended(self, name: str) -> bool:
        """Forget failures, because the provider answers; tell whether there were any."""
        with translated("close a circuit"):
            pipeline = self._client.pipeline(transaction=False)
            pipeline.delete(keys.push_circuit(name))
            pipeline.zrem(keys.PUSH_STOPPED, name)
            return bool(pipeline.execute()[0])

    def _tripped(self, name: str, reason: str, fixed_ms: int) -> Tripped:
        with translated("trip a circuit"):
            reply: Any = self._trip([keys.push_circuit(name)], [now_ms(), *self._policy, reason, fixed_ms])
            status = reply[0].decode()
            if status == "opened":  # for the figures alone
                pipeline = self._client.pipeline(transaction=False)
                pipeline.zadd(keys.PUSH_STOPPED, {name: int(reply[1])})
                pipeline.zremrangebyscore(keys.PUSH_STOPPED, "-inf", now_ms() - DAY_MS)
                pipeline.execute()
        return Tripped(status, 0 if status == "closed" else int(reply[1]))
