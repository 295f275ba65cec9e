"""Bodies, queries and ids of REST requests, checked before anything is done with them."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, TypeVar

import msgspec
from flask import Response, g, request
from werkzeug.exceptions import RequestEntityTooLarge

from chat.errors import InvalidRequest, Unauthenticated
from chat.gateway.identity import Identity
from chat.gateway.rest.queries import names_of
from chat.model.ids import ID_PATTERN, is_id
from chat.protocol.fields import ID_MEND

T = TypeVar("T")
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def who(deed: str) -> Identity:
    """Return who asks; raises Unauthenticated, which names what needs a token."""
    if g.identity is None:
        raise Unauthenticated(f"{deed} needs a token; send Authorization: Bearer …")
    identity: Identity = g.identity
    return identity


def read_body(kind: type[T], without: bytes = b"", field: str = "body") -> T:
    """Return the request's body as a record, or `without` when it has none; its names may be in camelCase too.

    Raises: InvalidRequest, which names the field and the mend; `field` where it is the body as a whole.
    """
    body = _read_all() or without
    if not body:
        raise InvalidRequest(f"the body is empty; send {_outline(kind)} as JSON", field=field)
    try:
        return msgspec.json.decode(_in_declared_names(body, kind), type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        raise _explained(str(exc), kind, field) from None


def _read_all() -> bytes:
    """Return the body; raises RequestEntityTooLarge, also for one in chunks, which Werkzeug 3.1 only cuts off."""
    body = request.get_data()
    if request.content_length is None and len(body) >= (request.max_content_length or math.inf):
        raise RequestEntityTooLarge
    return body


def _in_declared_names(body: bytes, kind: Any) -> bytes:
    others = _other_names(kind)
    if not any(each.encode() in body for each in others):
        return body
    members = _members.decode(body)
    renamed = {others[name]: value for name, value in members.items() if name in others}
    return msgspec.json.encode(renamed | {name: each for name, each in members.items() if name not in others})


@cache
def _other_names(kind: Any) -> dict[str, str]:
    return {name: declared for name, declared in names_of(kind).items() if name != declared}


def _explained(text: str, kind: Any, whole: str) -> InvalidRequest:
    if "missing required field `" in text:
        field = text.split("`")[1]
        return InvalidRequest(f"{field} is missing; add it to the body", field=field)
    path = text.rpartition("`$.")[2].rstrip("`") if "`$." in text else ""
    field = path.split("[")[0].split(".")[0]
    if not field:
        told = text.partition(" - at ")[0]
        return InvalidRequest(f"the body is not what is taken ({told}); send {_outline(kind)} as JSON", field=whole)
    return InvalidRequest(f"{field}: {_mend(text)}", field=field)


def _mend(text: str) -> str:
    if ID_PATTERN in text:
        return ID_MEND
    return "must not be blank" if "matching regex" in text else text.split(" - at ")[0]


def _outline(kind: Any) -> str:
    return "{" + ", ".join(f'"{name}"' for name in kind.__struct_encode_fields__) + "}"


def checked_id(text: str, field: str) -> str:
    """Return an id of the address; raises InvalidRequest."""
    if not is_id(text):
        raise InvalidRequest(f"{field} {ID_MEND}", field=field)
    return text


def answer(body: Any, status: int = 200) -> Response:
    """Return a JSON answer."""
    return Response(msgspec.json.encode(body), status, mimetype="application/json")


def private_answer(body: Any) -> Response:
    """Return a JSON answer that nobody on the way keeps."""
    response = answer(body)
    response.headers["Cache-Control"] = "no-store"
    return response


def no_content() -> Response:
    """Return 204."""
    return Response(status=204)
