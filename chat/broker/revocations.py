"""Which users' tokens are refused, shared by all servers, and told to them as it happens."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import redis

from chat.broker import keys
from chat.broker.client import translated


class Revocation(NamedTuple):
    """A user's tokens issued up to `at_ms` are worthless."""

    user_id: str
    at_ms: int


class RedisRevocations:
    """`chat:revoked`, a sorted set by time, without those that are older than any token that may live."""

    def __init__(self, client: redis.Redis, *, keep_s: int) -> None:
        self._client = client
        self.keep_s = keep_s

    def revoke(self, user_id: str) -> Revocation:
        """Revoke what the user was issued until now, and tell every server; safe to repeat.

        Raises: BrokerUnavailable.
        """
        made = Revocation(user_id, int(time.time() * 1000))
        with translated("revoke"):
            pipeline = self._client.pipeline(transaction=True)
            pipeline.zadd(keys.REVOKED, {user_id: made.at_ms}, gt=True)
            pipeline.zremrangebyscore(keys.REVOKED, "-inf", made.at_ms - self.keep_s * 1000)
            pipeline.expire(keys.REVOKED, self.keep_s)
            pipeline.publish(keys.CONTROL_CHANNEL, f"revoked {user_id} {made.at_ms}")
            pipeline.execute()
        return made

    def since(self, at_ms: int) -> list[Revocation]:
        """Return the revocations from a moment on, the oldest first.

        Raises: BrokerUnavailable.
        """
        with translated("read revocations"):
            rows: Any = self._client.zrangebyscore(keys.REVOKED, at_ms, "+inf", withscores=True)
        return [Revocation(user_id.decode(), int(score)) for user_id, score in rows]


def read_control(payload: bytes) -> Revocation | None:
    """Return the revocation in a message of the control channel, None for a message of another kind."""
    match payload.decode(errors="replace").split(" "):
        case ["revoked", user_id, at_ms] if at_ms.isascii() and at_ms.isdigit():
            return Revocation(user_id, int(at_ms))
    return None
