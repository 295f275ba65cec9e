"""`POST /api/v1/dev/token`: a token for anybody, in dev mode only."""

from __future__ import annotations

from typing import Annotated

import msgspec
from flask import Blueprint, Response, request

from chat.errors import InvalidRequest
from chat.gateway.identity import NAME_LIMIT, Authenticator
from chat.protocol.codec import ID_MEND, Id


class _Wanted(msgspec.Struct):
    user_id: Id | None = None
    userId: Id | None = None  # noqa: N815
    user_name: Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_LIMIT)] | None = None
    userName: Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_LIMIT)] | None = None  # noqa: N815


def blueprint(authenticator: Authenticator) -> Blueprint:
    """Return the route; the caller registers it in dev mode only, so that elsewhere it is a 404."""
    routes = Blueprint("dev", __name__)

    @routes.post("/api/v1/dev/token")
    def mint() -> Response:
        try:
            wanted = msgspec.json.decode(request.get_data(), type=_Wanted)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
            field = "user_name" if "ame`" in str(exc) else "user_id"
            mend = ID_MEND if field == "user_id" else f"must be 1 to {NAME_LIMIT} characters"
            raise InvalidRequest(f'{field} {mend}; send {{"user_id", "user_name"}}', field=field) from None
        user_id = wanted.user_id or wanted.userId
        if user_id is None:
            raise InvalidRequest('user_id is missing; send {"user_id", "user_name"}', field="user_id")
        name = wanted.user_name or wanted.userName or user_id
        if not name.strip():
            raise InvalidRequest("user_name is blank; leave it out or name the user", field="user_name")
        token = authenticator.mint(user_id, name)
        return Response(msgspec.json.encode({"token": token}), 200, mimetype="application/json")

    return routes
