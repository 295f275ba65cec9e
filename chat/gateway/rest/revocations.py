"""`POST /api/v1/admin/revocations`: end a user's connections and tokens, everywhere."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response, g, request

from chat.errors import Forbidden, InvalidRequest, Unauthenticated
from chat.gateway.revocations import Revocations
from chat.model.clock import rfc3339
from chat.protocol.codec import ID_MEND, Id


class _Wanted(msgspec.Struct):
    user_id: Id | None = None
    userId: Id | None = None  # noqa: N815


def blueprint(revocations: Revocations) -> Blueprint:
    """Return the route."""
    routes = Blueprint("revocations", __name__)

    @routes.post("/api/v1/admin/revocations")
    def revoke() -> Response:
        if g.identity is None:
            raise Unauthenticated("revoking needs a token with admin: true; send Authorization: Bearer …")
        if not g.identity.is_admin:
            raise Forbidden("revoking needs a token with admin: true")
        made = revocations.revoke(_user_in(request.get_data()))
        told = {"user_id": made.user_id, "revoked_at": rfc3339(made.at_ms)}
        return Response(msgspec.json.encode(told), 201, mimetype="application/json")

    return routes


def _user_in(body: bytes) -> str:
    try:
        wanted = msgspec.json.decode(body, type=_Wanted)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise InvalidRequest(f'user_id {ID_MEND}; send {{"user_id"}}', field="user_id") from None
    user_id = wanted.user_id or wanted.userId
    if user_id is None:
        raise InvalidRequest('user_id is missing; send {"user_id"}', field="user_id")
    return user_id
