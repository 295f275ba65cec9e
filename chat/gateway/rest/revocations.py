"""`POST /api/v1/admin/revocations`: end a user's connections and tokens, everywhere."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response

from chat.gateway.rest.admins import require_admin
from chat.gateway.rest.bodies import answer, read_body
from chat.gateway.rest.operations import Operation
from chat.gateway.revocations import Revocations
from chat.model.clock import rfc3339
from chat.protocol.fields import Id
from chat.protocol.shapes import Time


class WantedRevocation(msgspec.Struct, frozen=True):
    """Whose connections and tokens are to end."""

    user_id: Id


class Revoked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose tokens have ended: those that were issued up to then."""

    user_id: str
    revoked_at: Time


REVOKE = Operation(
    "POST",
    "/api/v1/admin/revocations",
    "revokeUser",
    "End a user's connections and tokens everywhere; needs a token with admin: true",
    {201: Revoked},
    body=WantedRevocation,
    refusals=(403,),
)


def blueprint(revocations: Revocations) -> Blueprint:
    """Return the route."""
    routes = Blueprint("revocations", __name__)

    @REVOKE.on(routes)
    def revoke() -> Response:
        require_admin("revoking")
        made = revocations.revoke(read_body(WantedRevocation, field="user_id").user_id)
        return answer(Revoked(made.user_id, rfc3339(made.at_ms)), 201)

    return routes
