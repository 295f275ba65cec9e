"""`/api/v1/me`: what a user has chosen."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response

from chat.gateway.identity import Identity
from chat.gateway.rest.bodies import answer, read_body, who
from chat.gateway.rest.operations import Operation
from chat.services.preferences import Preferences, UserRecord

PATH = "/api/v1/me"


class Choices(msgspec.Struct, frozen=True):
    """What one chooses: without read receipts nobody is told what one has read."""

    read_receipts: bool


class Me(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who one is, and what one has chosen."""

    user_id: str
    user_name: str
    read_receipts: bool


SHOW = Operation("GET", PATH, "showMe", "Who one is, and what one has chosen", {200: Me})
CHANGE = Operation("PATCH", PATH, "changeMe", "Choose something else", {200: Me}, body=Choices)


def blueprint(preferences: Preferences) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("me", __name__)

    @SHOW.on(routes)
    def show() -> Response:
        identity = who("this")
        return _told(identity, preferences.of(identity.user_id))

    @CHANGE.on(routes)
    def change() -> Response:
        identity = who("this")
        chosen = read_body(Choices, field="read_receipts").read_receipts
        return _told(identity, preferences.change(identity.user_id, read_receipts=chosen))

    return routes


def _told(identity: Identity, record: UserRecord) -> Response:
    return answer(Me(identity.user_id, identity.name, record.read_receipts))
