"""`/api/v1/rooms/{id}/pins`: what is pinned in a room, and who may change it."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint, Response

from chat.gateway.rest.bodies import answer, checked_id, no_content, who
from chat.gateway.rest.operations import Operation
from chat.protocol.shapes import Message, Time
from chat.services.amending import ref_of
from chat.services.membership import Membership
from chat.services.pins import Pinned, Pins

PINS = "/api/v1/rooms/<room_id>/pins"
PIN = f"{PINS}/<message_id>"


class PinMade(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who pinned a message, and when."""

    message_id: str
    pinned_by: str
    pinned_at: Time


class PinnedMessage(PinMade, frozen=True, forbid_unknown_fields=True):
    """A pin, and the message as it is now."""

    message: Message


class PinList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is pinned in a room."""

    pins: list[PinnedMessage]


LIST = Operation("GET", PINS, "listPins", "What is pinned in a room", {200: PinList}, refusals=(403, 404))
PUT = Operation("PUT", PIN, "pinMessage", "Pin a message to its room", {200: PinMade}, refusals=(403, 404, 409))
REMOVE = Operation(
    "DELETE", PIN, "unpinMessage", "Take a pinned message down", {204: None}, refusals=(403, 404, 409)
)


def blueprint(membership: Membership, pins: Pins) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("pins", __name__)

    @LIST.on(routes)
    def listed(room_id: str) -> Response:
        user_id = who("looking at pins").user_id
        membership.require(checked_id(room_id, "roomId"), user_id)
        found = pins.of_room(room_id)
        membership.require(room_id, user_id)  # who was removed while it was read gets nothing more
        return answer({"pins": [_told(each) for each in found]})

    @PUT.on(routes)
    def put(room_id: str, message_id: str) -> Response:
        user_id = who("pinning").user_id
        pin = pins.pin(checked_id(room_id, "roomId"), user_id, ref_of(message_id))
        return answer(PinMade(message_id, pin.user_id, pin.at))

    @REMOVE.on(routes)
    def remove(room_id: str, message_id: str) -> Response:
        user_id = who("unpinning").user_id
        pins.unpin(checked_id(room_id, "roomId"), user_id, ref_of(message_id))
        return no_content()

    return routes


def _told(pinned: Pinned) -> dict[str, Any]:
    pin = {"message_id": pinned.message_id, "pinned_by": pinned.pin.user_id, "pinned_at": pinned.pin.at}
    return {**pin, "message": msgspec.Raw(pinned.message)}
