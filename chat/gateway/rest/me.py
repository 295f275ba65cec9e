"""`/api/v1/me`: what a user has chosen."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response, g, request

from chat.errors import InvalidRequest, Unauthenticated
from chat.services.preferences import Preferences, UserRecord


class _Wanted(msgspec.Struct):
    read_receipts: bool | None = None
    readReceipts: bool | None = None  # noqa: N815


def blueprint(preferences: Preferences) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("me", __name__)

    @routes.get("/api/v1/me")
    def show() -> Response:
        return _told(preferences.of(_user()))

    @routes.patch("/api/v1/me")
    def change() -> Response:
        return _told(preferences.change(_user(), read_receipts=_read(request.get_data())))

    return routes


def _told(record: UserRecord) -> Response:
    told = {"user_id": g.identity.user_id, "user_name": g.identity.name, "read_receipts": record.read_receipts}
    return Response(msgspec.json.encode(told), 200, mimetype="application/json")


def _user() -> str:
    if g.identity is None:
        raise Unauthenticated("this needs a token; send Authorization: Bearer …")
    user_id: str = g.identity.user_id
    return user_id


def _read(body: bytes) -> bool:
    try:
        wanted = msgspec.json.decode(body, type=_Wanted)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        wanted = _Wanted()
    chosen = wanted.read_receipts if wanted.read_receipts is not None else wanted.readReceipts
    if chosen is None:
        raise InvalidRequest('read_receipts is true or false; send {"read_receipts"}', field="read_receipts")
    return chosen
