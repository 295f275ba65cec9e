"""Bodies and ids of REST requests, checked before anything is done with them."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from flask import Response, g, request

from chat.errors import InvalidRequest, Unauthenticated
from chat.gateway.identity import Identity
from chat.model.ids import is_id
from chat.protocol.codec import ID_MEND

T = TypeVar("T")


def who(deed: str) -> Identity:
    """Return who asks; raises Unauthenticated, which names what needs a token."""
    if g.identity is None:
        raise Unauthenticated(f"{deed} needs a token; send Authorization: Bearer …")
    identity: Identity = g.identity
    return identity


def read_body(decoder: msgspec.json.Decoder[T], without: bytes = b"") -> T:
    """Return the request's body, or `without` when it has none.

    Raises: InvalidRequest, which names the field and the mend.
    """
    try:
        return decoder.decode(request.get_data() or without)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        text = str(exc)
        path = text.rpartition("`$.")[2].rstrip("`") if "`$." in text else ""
        field = path.split("[")[0].split(".")[0] or "body"
        if "missing required field `" in text:
            field = text.split("`")[1]
            raise InvalidRequest(f"{field} is missing; add it to the body", field=field) from None
        mend = ID_MEND if "matching regex" in text else text.split(" - at ")[0]
        raise InvalidRequest(f"{field}: {mend}", field=field) from None


def checked_id(text: str, field: str) -> str:
    """Return an id of the address; raises InvalidRequest."""
    if not is_id(text):
        raise InvalidRequest(f"{field} {ID_MEND}", field=field)
    return text


def whole_number(name: str, default: int, least: int, most: int) -> int:
    """Return a number of the query; raises InvalidRequest."""
    text = request.args.get(name, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 15 or not least <= int(text) <= most:
        raise InvalidRequest(f"{name} must be a number from {least} to {most}", field=name)
    return int(text)


def optional_number(name: str, most: int) -> int | None:
    """Return a number of the query, None when it is not there; raises InvalidRequest."""
    return whole_number(name, 0, 0, most) if name in request.args else None


def answer(body: Any, status: int = 200) -> Response:
    """Return a JSON answer."""
    return Response(msgspec.json.encode(body), status, mimetype="application/json")


def no_content() -> Response:
    """Return 204."""
    return Response(status=204)
