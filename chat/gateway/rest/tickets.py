"""`POST /api/v1/ws-ticket`: a word that opens one WebSocket, for clients that can't send headers with it."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response, g

from chat.broker.tickets import TTL_S
from chat.errors import Unauthenticated
from chat.gateway.identity.tickets import Tickets


def blueprint(tickets: Tickets) -> Blueprint:
    """Return the route."""
    routes = Blueprint("tickets", __name__)

    @routes.post("/api/v1/ws-ticket")
    def issue() -> Response:
        if g.identity is None:
            raise Unauthenticated("a ticket is made from a token; send Authorization: Bearer …")
        told = {"ticket": tickets.issue(g.identity), "expires_in": TTL_S}
        headers = {"Cache-Control": "no-store"}
        return Response(msgspec.json.encode(told), 200, headers, mimetype="application/json")

    return routes
