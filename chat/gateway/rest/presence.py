"""`GET /api/v1/presence?userIds=a,b`: who of these is online, and when the others were."""

from __future__ import annotations

import re

import msgspec
from flask import Blueprint, Response, g, request

from chat.errors import InvalidRequest, Unauthenticated
from chat.gateway.presence import LivePresence
from chat.model.ids import ID_PATTERN
from chat.protocol.codec import ID_MEND, PRESENCE_LIMIT

_ID = re.compile(ID_PATTERN)


def blueprint(presence: LivePresence) -> Blueprint:
    """Return the route."""
    routes = Blueprint("presence", __name__)

    @routes.get("/api/v1/presence")
    def look() -> Response:
        if g.identity is None:
            raise Unauthenticated("presence needs a token; send Authorization: Bearer …")
        told = presence.look(g.identity.user_id, (), _asked())
        headers = {"Cache-Control": "no-store"}
        return Response(msgspec.json.encode(told), 200, headers, mimetype="application/json")

    return routes


def _asked() -> list[str]:
    field = "user_ids" if "userIds" not in request.args and "user_ids" in request.args else "userIds"
    if field not in request.args:
        raise InvalidRequest("userIds is missing; add ?userIds=a,b to the address", field=field)
    asked = [each for each in request.args[field].split(",") if each]
    if len(asked) > PRESENCE_LIMIT:
        raise InvalidRequest(
            f"{field}: at most {PRESENCE_LIMIT} users at a time; ask again for the rest", field=field
        )
    if not all(_ID.fullmatch(each) for each in asked):
        raise InvalidRequest(f"each of {field} {ID_MEND}", field=field)
    return asked
