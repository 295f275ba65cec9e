"""What keeps the store from taking messages until an operator mends it: noted by workers, told by servers."""

from __future__ import annotations

from typing import cast

import redis

from chat.broker import keys
from chat.broker.client import translated

TOLD_S = 10  # a drain that is turned away tries again sooner, and notes it again


class StoreFault:
    """The last such fault, for as long as drains meet it. Methods raise BrokerUnavailable."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def note(self, reason: str) -> None:
        """Have every server tell this."""
        with translated("note the store's fault"):
            self._client.set(keys.STORE_FAULT, reason, ex=TOLD_S)

    def told(self) -> str:
        """Return what a drain noted last, empty when no drain is held up."""
        with translated("read the store's fault"):
            return (cast("bytes | None", self._client.get(keys.STORE_FAULT)) or b"").decode()
