"""A ticket stands for its holder once, and no longer than the holder's token."""

from __future__ import annotations

import time

import pytest

from chat.errors import Unauthenticated
from chat.gateway.identity.claims import Identity
from chat.gateway.identity.tickets import Tickets
from chat.gateway.identity.tokens import Authenticator

ANN = Identity("ann", "Zoë 😀", is_admin=True, expires_at=time.time() + 3600, issued_at=time.time())


class Box:
    """One process's tickets; `asked` counts looks into it."""

    def __init__(self) -> None:
        self.holders: dict[str, bytes] = {}
        self.asked = 0

    def issue(self, holder: bytes) -> str:
        ticket = f"{len(self.holders):x>43}"
        self.holders[ticket] = holder
        return ticket

    def redeem(self, ticket: str) -> bytes | None:
        self.asked += 1
        return self.holders.pop(ticket, None)


def desk(revoked: tuple[str, ...] = ()) -> tuple[Tickets, Box]:
    box = Box()
    authenticator = Authenticator("s" * 32, False, is_revoked=lambda identity: identity.user_id in revoked)
    return Tickets(box, authenticator), box


def test_a_ticket_is_its_holder_when_it_is_used_the_first_time_only():
    tickets, _ = desk()
    ticket = tickets.issue(ANN)
    assert tickets.redeem(ticket) == ANN
    with pytest.raises(Unauthenticated) as caught:
        tickets.redeem(ticket)
    assert caught.value.field == "ticket"
    assert ticket not in caught.value.message


@pytest.mark.parametrize("ticket", ["", "x", "x" * 42, "x" * 44, "é" * 43, "x" * 42 + "\n", "*" * 43])
def test_redis_is_not_asked_when_a_ticket_is_none(ticket):
    tickets, box = desk()
    with pytest.raises(Unauthenticated):
        tickets.redeem(ticket)
    assert box.asked == 0


def test_a_ticket_is_refused_when_its_token_has_run_out_or_was_revoked_since():
    tickets, _ = desk(revoked=("eve",))
    for identity in (Identity("ann", "Ann", expires_at=time.time() - 3), Identity("eve", "Eve")):
        with pytest.raises(Unauthenticated):
            tickets.redeem(tickets.issue(identity))
