"""`/api/v1/rooms`: make rooms, list one's own, look at one, rename and delete it."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response, request

from chat.gateway.rest.bodies import answer, checked_id, no_content, read_body, who, whole_number
from chat.model.room import RoomType, room_as_told
from chat.protocol.codec import Id
from chat.services import roles
from chat.services.room_changes import RoomChanges
from chat.services.room_list import Listed, RoomList
from chat.services.rooms import Rooms

NAME_LIMIT = 128
PAGE, PAGE_LIMIT = 50, 200  # rooms in one answer

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_LIMIT, pattern=r"\S")]


class _NewRoom(msgspec.Struct):
    type: RoomType = RoomType.GROUP
    name: Name | None = None
    id: Id | None = None
    members: list[Id] = []


class _Renamed(msgspec.Struct):
    name: Name


_new = msgspec.json.Decoder(_NewRoom)
_renamed = msgspec.json.Decoder(_Renamed)


def blueprint(rooms: Rooms, changes: RoomChanges, room_list: RoomList) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("rooms", __name__)

    @routes.post("/api/v1/rooms")
    def create() -> Response:
        user_id = who("making a room").user_id
        wanted = read_body(_new)
        room_id = wanted.id or f"room-{secrets.token_hex(8)}"
        roster = changes.create(wanted.type, user_id, wanted.members, room_id=room_id, name=wanted.name)
        return answer(room_as_told(roster), 201)

    @routes.get("/api/v1/rooms")
    def list_mine() -> Response:
        user_id = who("listing rooms").user_id
        limit = whole_number("limit", PAGE, 1, PAGE_LIMIT)
        after = request.args.get("next") or request.args.get("after") or ""
        page, following = room_list.page(user_id, limit, checked_id(after, "next") if after else "")
        return answer({"rooms": [_listed(each) for each in page], "next": following})

    @routes.get("/api/v1/rooms/<room_id>")
    def show(room_id: str) -> Response:
        user_id = who("looking at a room").user_id
        roster = rooms.roster(checked_id(room_id, "id"))
        roles.require_member(roster, user_id)
        return answer(room_as_told(roster))

    @routes.patch("/api/v1/rooms/<room_id>")
    def rename(room_id: str) -> Response:
        user_id = who("renaming a room").user_id
        name = read_body(_renamed).name
        return answer(room_as_told(changes.rename(checked_id(room_id, "id"), user_id, name)))

    @routes.delete("/api/v1/rooms/<room_id>")
    def delete(room_id: str) -> Response:
        user_id = who("deleting a room").user_id
        changes.delete(checked_id(room_id, "id"), user_id)
        return no_content()

    return routes


def _listed(listed: Listed) -> dict[str, Any]:
    last = msgspec.Raw(listed.last_message) if listed.last_message else None
    return {**room_as_told(listed.roster), "unread": listed.unread, "last_message": last}
