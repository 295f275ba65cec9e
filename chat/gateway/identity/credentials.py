"""Where a request carries who it is from: a header, an offered subprotocol, or a ticket in the address."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from chat.errors import Unauthenticated

BEARER_PROTOCOL = "bearer."
TICKET = "ticket"
TOKEN_PARAMETERS = frozenset({"token", "access_token", "id_token", "jwt", "bearer", "authorization"})


def bearer_token(headers: Mapping[str, str]) -> str | None:
    """Return the token of `Authorization: Bearer …` or of the subprotocol `bearer.<jwt>`."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    for offered in headers.get("Sec-WebSocket-Protocol", "").split(","):
        if offered.strip().startswith(BEARER_PROTOCOL):
            return offered.strip().removeprefix(BEARER_PROTOCOL)
    return None


def refuse_token_in_address(parameters: Collection[str]) -> None:
    """Return when no query parameter looks like a token: addresses end up in logs and histories.

    Raises: Unauthenticated, naming the parameter and never its value.
    """
    for name in parameters:
        if name.lower() in TOKEN_PARAMETERS:
            raise Unauthenticated(
                f"?{name.lower()}= is refused, a token never belongs in the address, and this one should be "
                "replaced; send Authorization: Bearer …, the subprotocol bearer.<jwt>, a ?ticket= from "
                "POST /api/v1/ws-ticket, or authenticate as the first frame",
                field=name.lower(),
            )
