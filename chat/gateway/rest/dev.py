"""`POST /api/v1/dev/token`: a token for anybody, in dev mode only."""

from __future__ import annotations

from typing import Annotated

import msgspec
from flask import Blueprint, Response

from chat.gateway.identity import NAME_LIMIT, Authenticator
from chat.gateway.rest.bodies import answer, read_body
from chat.gateway.rest.operations import Operation
from chat.protocol.fields import Id


class WantedToken(msgspec.Struct, frozen=True):
    """For whom a token is wanted; the name is the id where none is given."""

    user_id: Id
    user_name: Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_LIMIT, pattern=r"\S")] | None = None


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token."""

    token: str


MINT = Operation(
    "POST",
    "/api/v1/dev/token",
    "mintToken",
    "Mint a token for anybody; with AUTH_MODE=dev only",
    {200: Token},
    body=WantedToken,
    is_open=True,
)


def blueprint(authenticator: Authenticator) -> Blueprint:
    """Return the route; the caller registers it in dev mode only, so that elsewhere it is a 404."""
    routes = Blueprint("dev", __name__)

    @MINT.on(routes)
    def mint() -> Response:
        wanted = read_body(WantedToken, field="user_id")
        return answer(Token(authenticator.mint(wanted.user_id, wanted.user_name or wanted.user_id)))

    return routes
