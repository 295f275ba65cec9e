"""After `wake_drain` a drain is on its way or under way, so whatever waits in the outbox will be stored.

Before: a message was accepted. After: the worker's drain takes it. One lease for all shards says whether a
wake-up is needed: whoever sets it sends one, the drain takes it over and holds it while it runs.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import Any

import redis
from redis.exceptions import ResponseError

from chat.broker import keys, scripts
from chat.broker.client import translated

LEASE_MS = 5000  # a lost wake-up or a killed worker delays the next drain by no more
log = logging.getLogger(__name__)


def wake_drain(
    client: redis.Redis, send: Callable[[], object], *, is_forced: bool = False, lease: str = keys.DRAIN_LEASE
) -> bool:
    """Send a wake-up unless one is on its way or a drain runs; return whether it was sent.

    Another task than the drain is woken in the same way under its own `lease`.

    `is_forced` sends it whoever holds the lease: at a worker's start its holder may be the one just killed.
    Whoever calls this after its message was accepted misses nothing: a drain that still holds the lease
    looks once more after it has let go.

    Raises: BrokerUnavailable, and whatever `send` raises (then the lease is free again).
    """
    token = f"wake-{secrets.token_hex(8)}"
    with translated("wake drain"):
        if not client.set(lease, token, nx=not is_forced, px=LEASE_MS):
            return False
    try:
        send()
    except BaseException:
        DrainLease(client, token, key=lease).release()
        raise
    return True


class DrainLease:
    """The lease of one drain run, under its own name; another may take it over at any time, and keeps it then.

    Two drains at once lose nothing, but write the same rooms in turn: whoever was overtaken ends. It only saves
    work, so a Redis without memory for it stops no drain: drains are what frees memory.
    """

    def __init__(self, client: redis.Redis, owner: str, *, key: str = keys.DRAIN_LEASE) -> None:
        self._client = client
        self._key = key
        self._owner = owner
        self._hold = scripts.load("hold_lease").source
        self._release = client.register_script(scripts.load("release_lease").source)

    def take(self) -> None:
        """Take it over from the wake-up, and count the run."""
        self._do("drain_tasks", 1, lambda pipeline: pipeline.set(self._key, self._owner, px=LEASE_MS))

    def hold(self, store_round_trips: int = 0) -> bool:
        """Renew it and count what the run asked of the store; False when another took it over."""
        arguments = (self._hold, 1, self._key, self._owner, LEASE_MS)
        answer = self._do("store_round_trips", store_round_trips, lambda pipeline: pipeline.eval(*arguments))
        return answer is None or answer[0] != b"other"

    def release(self) -> None:
        """Let go of it, unless another took it over."""
        with translated("release drain lease"):
            self._release([self._key], [self._owner])

    def disarm(self) -> None:
        """Let the next mark send a wake-up of its own, whoever holds the lease."""
        with translated("disarm"):
            self._client.delete(self._key)

    def _do(self, counter: str, amount: int, command: Callable[[Any], object]) -> Any:
        """Return what the command answers, None when Redis can't take it; it goes along with the count."""
        with translated("hold drain lease"):
            try:
                pipeline = self._client.pipeline(transaction=False)
                command(pipeline)
                if amount and self._key == keys.DRAIN_LEASE:
                    pipeline.hincrby(keys.WORK_STATS, counter, amount)
                return pipeline.execute()[0]
            except ResponseError as exc:
                log.warning("drain-lease-not-set", extra={"error": str(exc), "action": "go on without"})
                return None
