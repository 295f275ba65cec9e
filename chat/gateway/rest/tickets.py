"""`POST /api/v1/ws-ticket`: a word that opens one WebSocket, for clients that can't send headers with it."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response

from chat.broker.tickets import TTL_S
from chat.gateway.identity.tickets import Tickets
from chat.gateway.rest.bodies import private_answer, who
from chat.gateway.rest.operations import Operation


class Ticket(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A ticket, and for how many seconds it is good."""

    ticket: str
    expires_in: int


ISSUE = Operation(
    "POST", "/api/v1/ws-ticket", "issueTicket", "A single-use ticket that opens a WebSocket", {200: Ticket}
)


def blueprint(tickets: Tickets) -> Blueprint:
    """Return the route."""
    routes = Blueprint("tickets", __name__)

    @ISSUE.on(routes)
    def issue() -> Response:
        return private_answer(Ticket(tickets.issue(who("a ticket")), TTL_S))

    return routes
