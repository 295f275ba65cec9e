"""`/api/v1/rooms`: make rooms, list one's own, look at one, rename and delete it."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response

from chat.gateway.rest.bodies import answer, checked_id, no_content, read_body, who
from chat.gateway.rest.operations import Operation
from chat.gateway.rest.queries import read_query
from chat.model.room import RoomType, room_as_told
from chat.protocol.fields import Id
from chat.protocol.shapes import Message, Room
from chat.services import roles
from chat.services.room_changes import RoomChanges
from chat.services.room_list import Listed, RoomList
from chat.services.rooms import Rooms

NAME_LIMIT = 128
PAGE, PAGE_LIMIT = 50, 200  # rooms in one answer

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_LIMIT, pattern=r"\S")]


ROOMS, ROOM = "/api/v1/rooms", "/api/v1/rooms/<room_id>"


class NewRoom(msgspec.Struct, frozen=True):
    """A room to make; without an id it gets one."""

    type: RoomType = RoomType.GROUP
    name: Name | None = None
    id: Id | None = None
    members: list[Id] = []


class RoomName(msgspec.Struct, frozen=True):
    """What a room is to be called."""

    name: Name


class RoomsQuery(msgspec.Struct, frozen=True):
    """Which of one's rooms: those after `next` of the answer before, which `after` says too."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_LIMIT)] = PAGE
    next: Id | None = None
    after: Id | None = None


class ListedRoom(Room, frozen=True):
    """A room with what is unread in it and its newest stored message."""

    unread: int
    last_message: Message | None


class RoomPage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rooms by id; `next` leads to the others, null after the last."""

    rooms: list[ListedRoom]
    next: str | None


CREATE = Operation(
    "POST",
    ROOMS,
    "createRoom",
    "Make a room; an existing direct room is returned as it is",
    {201: Room},
    body=NewRoom,
    refusals=(403, 404, 409),
)
LIST = Operation("GET", ROOMS, "listRooms", "One's rooms, page by page", {200: RoomPage}, query=RoomsQuery)
SHOW = Operation("GET", ROOM, "getRoom", "A room, for its members", {200: Room}, refusals=(403, 404))
RENAME = Operation(
    "PATCH", ROOM, "renameRoom", "Rename a room", {200: Room}, body=RoomName, refusals=(403, 404, 409)
)
DELETE = Operation("DELETE", ROOM, "deleteRoom", "Delete a room", {204: None}, refusals=(403, 404, 409))


def blueprint(rooms: Rooms, changes: RoomChanges, room_list: RoomList) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("rooms", __name__)

    @CREATE.on(routes)
    def create() -> Response:
        user_id = who("making a room").user_id
        wanted = read_body(NewRoom)
        room_id = wanted.id or f"room-{secrets.token_hex(8)}"
        roster = changes.create(wanted.type, user_id, wanted.members, room_id=room_id, name=wanted.name)
        return answer(room_as_told(roster), 201)

    @LIST.on(routes)
    def list_mine() -> Response:
        user_id = who("listing rooms").user_id
        asked = read_query(RoomsQuery)
        page, following = room_list.page(user_id, asked.limit, asked.next or asked.after or "")
        return answer({"rooms": [_listed(each) for each in page], "next": following})

    @SHOW.on(routes)
    def show(room_id: str) -> Response:
        user_id = who("looking at a room").user_id
        roster = rooms.roster(checked_id(room_id, "id"))
        roles.require_member(roster, user_id)
        return answer(room_as_told(roster))

    @RENAME.on(routes)
    def rename(room_id: str) -> Response:
        user_id = who("renaming a room").user_id
        name = read_body(RoomName).name
        return answer(room_as_told(changes.rename(checked_id(room_id, "id"), user_id, name)))

    @DELETE.on(routes)
    def delete(room_id: str) -> Response:
        user_id = who("deleting a room").user_id
        changes.delete(checked_id(room_id, "id"), user_id)
        return no_content()

    return routes


def _listed(listed: Listed) -> dict[str, Any]:
    last = msgspec.Raw(listed.last_message) if listed.last_message else None
    return {**room_as_told(listed.roster), "unread": listed.unread, "last_message": last}
