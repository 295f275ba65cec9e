"""`GET /api/v1/presence?userIds=a,b`: who of these is online, and when the others were."""

from __future__ import annotations

from typing import Annotated

import msgspec
from flask import Blueprint, Response

from chat.gateway.presence import LivePresence
from chat.gateway.rest.bodies import private_answer, who
from chat.gateway.rest.operations import Operation
from chat.gateway.rest.queries import read_query
from chat.protocol.fields import PRESENCE_LIMIT, Id
from chat.protocol.results import Presences


class PresenceQuery(msgspec.Struct, frozen=True, rename="camel"):
    """Who is asked for."""

    user_ids: Annotated[list[Id], msgspec.Meta(max_length=PRESENCE_LIMIT)]


LOOK = Operation(
    "GET",
    "/api/v1/presence",
    "getPresence",
    "Who of these users is online; those with whom one shares no room are offline",
    {200: Presences},
    query=PresenceQuery,
)


def blueprint(presence: LivePresence) -> Blueprint:
    """Return the route."""
    routes = Blueprint("presence", __name__)

    @LOOK.on(routes)
    def look() -> Response:
        user_id = who("presence").user_id
        return private_answer(presence.look(user_id, (), read_query(PresenceQuery).user_ids))

    return routes
