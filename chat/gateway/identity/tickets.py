"""Tickets: a token's holder gets a word that opens one WebSocket, once, within seconds.

A browser can't set headers on a WebSocket; a ticket may stand in the address, because it is worthless when the
address reaches a log.
"""

from __future__ import annotations

import re
from typing import Protocol

import msgspec

from chat.errors import Unauthenticated
from chat.gateway.identity.claims import Identity
from chat.gateway.identity.tokens import Authenticator

SHAPE = re.compile(r"[A-Za-z0-9_-]{43}")  # nothing else is worth a look into Redis


class TicketBox(Protocol):
    """Where tickets wait, for all servers."""

    def issue(self, holder: bytes) -> str: ...

    def redeem(self, ticket: str) -> bytes | None: ...


class Tickets:
    """Issues tickets and takes them."""

    def __init__(self, box: TicketBox, authenticator: Authenticator) -> None:
        self._box = box
        self._authenticator = authenticator
        self._decoder = msgspec.json.Decoder(Identity)

    def issue(self, identity: Identity) -> str:
        """Return a ticket for this identity, which keeps the end of its token.

        Raises: BrokerUnavailable.
        """
        return self._box.issue(msgspec.json.encode(identity))

    def redeem(self, ticket: str) -> Identity:
        """Return whose ticket it is, and make it worthless.

        Raises: Unauthenticated, for one that is unknown, used or too old, or whose token stands no more;
        BrokerUnavailable.
        """
        holder = self._box.redeem(ticket) if SHAPE.fullmatch(ticket) else None
        if holder is None:
            raise Unauthenticated(
                "the ticket is unknown, used or older than 30 s; get another from POST /api/v1/ws-ticket",
                field="ticket",
            )
        return self._authenticator.accepted(self._decoder.decode(holder))
