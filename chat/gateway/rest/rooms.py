"""`POST /api/v1/rooms`: make a room with its members."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response, g, request

from chat.errors import InvalidRequest, Unauthenticated
from chat.model.room import Member, RoomRecord, RoomType
from chat.protocol.codec import ID_MEND, Id
from chat.services.rooms import Rooms

NAME_LIMIT = 128
MEMBERS_SHOWN = 200


class _NewRoom(msgspec.Struct):
    type: RoomType = RoomType.GROUP
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_LIMIT)] | None = None
    id: Id | None = None
    members: list[Id] = []


_decoder = msgspec.json.Decoder(_NewRoom)


def blueprint(rooms: Rooms) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("rooms", __name__)

    @routes.post("/api/v1/rooms")
    def create() -> Response:
        if g.identity is None:
            raise Unauthenticated("making a room needs a token; send Authorization: Bearer …")
        wanted = _read(request.get_data())
        room, members = rooms.create(
            wanted.type,
            g.identity.user_id,
            wanted.members,
            room_id=wanted.id or f"room-{secrets.token_hex(8)}",
            name=wanted.name,
        )
        return Response(msgspec.json.encode(_told(room, members)), 201, mimetype="application/json")

    return routes


def _read(body: bytes) -> _NewRoom:
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        text = str(exc)
        path = text.rpartition("`$.")[2].rstrip("`") if "`$." in text else ""
        field = path.split("[")[0].split(".")[0] or "body"
        mend = ID_MEND if "matching regex" in text else text.split(" - at ")[0]
        raise InvalidRequest(f"{field}: {mend}", field=field) from None


def _told(room: RoomRecord, members: dict[str, Member]) -> dict[str, Any]:
    shown = [{"user_id": user_id, "role": each.role} for user_id, each in list(members.items())[:MEMBERS_SHOWN]]
    return {
        "id": room.id,
        "type": room.type,
        "name": room.name,
        "created_at": room.created_at,
        "member_count": len(members),
        "members": shown,
    }
