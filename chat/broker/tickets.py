"""Single-use tickets in Redis: what one stands for is handed out once, on whichever server it is shown."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import redis

from chat.broker import keys
from chat.broker.client import translated

TTL_S = 30


class RedisTickets:
    """`chat:ticket:{sha256}`: Redis never holds a ticket itself, so that whoever reads it can't use one."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def issue(self, holder: bytes) -> str:
        """Return a new ticket for `holder`.

        Raises: BrokerUnavailable.
        """
        ticket = secrets.token_urlsafe(32)
        with translated("issue ticket"):
            self._client.set(_key(ticket), holder, ex=TTL_S)
        return ticket

    def redeem(self, ticket: str) -> bytes | None:
        """Return whom the ticket was issued for, and make it worthless; None for an unknown or used one.

        Raises: BrokerUnavailable; the ticket may be used up then.
        """
        with translated("redeem ticket"):
            holder: Any = self._client.getdel(_key(ticket))
        return holder if isinstance(holder, bytes) else None


def _key(ticket: str) -> str:
    return keys.ticket(hashlib.sha256(ticket.encode(errors="surrogatepass")).hexdigest())
