"""REST about reading: marks of what was seen, who has seen a message, and unread counts."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response, g, request

from chat.errors import InvalidRequest, Unauthenticated
from chat.gateway.reading import Reading, told
from chat.model.clock import rfc3339
from chat.model.ids import is_id
from chat.protocol.codec import encode
from chat.services.rooms import Rooms
from chat.services.seen import message_of

PAGE = 200  # members who are looked at for one answer


class _Mark(msgspec.Struct):
    seq: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None
    message_id: str | None = None
    messageId: str | None = None  # noqa: N815


_mark = msgspec.json.Decoder(_Mark)


def blueprint(reading: Reading, rooms: Rooms) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("reading", __name__)

    @routes.post("/api/v1/rooms/<room_id>/seen")
    def mark(room_id: str) -> Response:
        wanted = _read(request.get_data())
        message_id = wanted.message_id or wanted.messageId
        return _json(told(reading.mark_for(_user(), _room(room_id), wanted.seq, message_id)))

    @routes.get("/api/v1/rooms/<room_id>/seen")
    def viewers(room_id: str) -> Response:
        return _json(_viewers(reading, rooms, _room(room_id), _whole("seq", 1)))

    @routes.get("/api/v1/messages/<message_id>/seen")
    def viewers_of(message_id: str) -> Response:
        room_id = message_id.rsplit(".", 2)[0]
        ref = message_of(room_id, message_id)
        return _json(_viewers(reading, rooms, room_id, ref.seq))

    @routes.get("/api/v1/unread")
    def unread() -> Response:
        return _json(reading.counts_of(_user()))

    return routes


def _viewers(reading: Reading, rooms: Rooms, room_id: str, seq: int) -> dict[str, Any]:
    """Return which members have seen a room up to a message, a page of members at a time."""
    reading.membership.require(room_id, _user())
    after = request.args.get("after", "")
    user_ids = sorted(user_id for user_id in rooms.members(room_id) if user_id > after)
    page = user_ids[:PAGE]
    seen = [
        {"user_id": each.user_id, "up_to_seq": each.up_to_seq, "seen_at": rfc3339(each.seen_ms)}
        for each in reading.seen.viewers(room_id, seq, page)
    ]
    return {"seq": seq, "seen": seen, "next": page[-1] if len(user_ids) > PAGE else None}


def _user() -> str:
    if g.identity is None:
        raise Unauthenticated("this needs a token; send Authorization: Bearer …")
    user_id: str = g.identity.user_id
    return user_id


def _room(room_id: str) -> str:
    if not is_id(room_id):
        raise InvalidRequest("the room's id is none", field="roomId")
    return room_id


def _whole(name: str, default: int) -> int:
    text = request.args.get(name, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise InvalidRequest(f"{name} is no number; give the seq of a message", field=name)
    return int(text)


def _read(body: bytes) -> _Mark:
    try:
        return _mark.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        field = "message_id" if "message" in str(exc) else "seq"
        raise InvalidRequest(f'send {{"seq"}} or {{"message_id"}}: {exc}', field=field) from None


def _json(body: object) -> Response:
    return Response(encode(body), 200, mimetype="application/json")
