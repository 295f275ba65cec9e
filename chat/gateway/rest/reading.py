"""What a request brings, checked in one go: its body and query become records, or an error that names the field."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
from flask import g, request

from chat.errors import InvalidRequest, Unauthenticated
from chat.gateway.identity import Identity
from chat.protocol.codec import ID_MEND

T = TypeVar("T")


def required_identity(what: str) -> Identity:
    """Return who asks; raises Unauthenticated for a request without a token."""
    identity: Identity | None = g.identity
    if identity is None:
        raise Unauthenticated(f"{what} needs a token; send Authorization: Bearer …")
    return identity


def body(kind: type[T]) -> T:
    """Return the request's JSON body; raises InvalidRequest."""
    try:
        return msgspec.json.decode(request.get_data(), type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        raise _refused(exc, "body") from None


def query(kind: type[T]) -> T:
    """Return the request's query, whose numbers are text; raises InvalidRequest, also for a name given twice."""
    for name, values in request.args.lists():
        if len(values) > 1:
            raise InvalidRequest(f"{name} is given twice; give it once", field=name)
    try:
        return msgspec.convert(request.args.to_dict(), kind, strict=False)
    except msgspec.ValidationError as exc:
        raise _refused(exc, "query") from None


def _refused(exc: Exception, whole: str) -> InvalidRequest:
    text, _, path = str(exc).partition(" - at ")
    names: list[Any] = re.findall(r"\.(\w+)", path)
    missing = re.search(r"missing required field `(\w+)`", text)
    field = missing[1] if missing else (names[0] if names else whole)
    if missing:
        return InvalidRequest(f"{field} is missing; add it", field=field)
    return InvalidRequest(f"{field} {ID_MEND}" if "matching regex" in text else f"{field}: {text}", field=field)
