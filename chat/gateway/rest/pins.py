"""`/api/v1/rooms/{id}/pins`: what is pinned in a room, and who may change it."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint, Response

from chat.gateway.rest.bodies import answer, checked_id, no_content, who
from chat.services.amending import ref_of
from chat.services.membership import Membership
from chat.services.pins import Pinned, Pins

URL = "/api/v1/rooms/<room_id>/pins"


def blueprint(membership: Membership, pins: Pins) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("pins", __name__)

    @routes.get(URL)
    def listed(room_id: str) -> Response:
        membership.require(checked_id(room_id, "id"), who("looking at pins").user_id)
        return answer({"pins": [_told(each) for each in pins.of_room(room_id)]})

    @routes.put(f"{URL}/<message_id>")
    def put(room_id: str, message_id: str) -> Response:
        user_id = who("pinning").user_id
        pin = pins.pin(checked_id(room_id, "id"), user_id, ref_of(message_id))
        return answer({"message_id": message_id, "pinned_by": pin.user_id, "pinned_at": pin.at})

    @routes.delete(f"{URL}/<message_id>")
    def remove(room_id: str, message_id: str) -> Response:
        pins.unpin(checked_id(room_id, "id"), who("unpinning").user_id, ref_of(message_id))
        return no_content()

    return routes


def _told(pinned: Pinned) -> dict[str, Any]:
    pin = {"message_id": pinned.message_id, "pinned_by": pinned.pin.user_id, "pinned_at": pinned.pin.at}
    return {**pin, "message": msgspec.Raw(pinned.message)}
