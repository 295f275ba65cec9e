"""REST about reading: marks of what was seen, who has seen a message, and unread counts."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response

from chat.gateway.reading import Reading, told
from chat.gateway.rest.bodies import answer, checked_id, read_body, who
from chat.gateway.rest.operations import Operation
from chat.gateway.rest.queries import read_query
from chat.model.clock import rfc3339
from chat.protocol.fields import Id, SeqBound
from chat.protocol.results import Count, Unread
from chat.protocol.shapes import Time
from chat.services.rooms import Rooms
from chat.services.seen import message_of

PAGE = 200  # members who are looked at for one answer
ROOM_SEEN, MESSAGE_SEEN = "/api/v1/rooms/<room_id>/seen", "/api/v1/messages/<message_id>/seen"


class Mark(msgspec.Struct, frozen=True):
    """Up to which message all are seen: one of the two."""

    seq: SeqBound | None = None
    message_id: str | None = None


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up to where one has seen the room, and what is unread there."""

    read_seq: Count
    unread: Count


class ViewersQuery(msgspec.Struct, frozen=True):
    """After which member to go on: `next` of the answer before."""

    after: Id | None = None


class RoomViewersQuery(ViewersQuery, frozen=True):
    """Of which message, by its number, and after which member to go on."""

    seq: SeqBound = 1


class Viewer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member, the seq up to which the member has seen the room, and since when."""

    user_id: str
    up_to_seq: Count
    seen_at: Time


class Viewers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who of the members that were looked at has seen a message; `next` leads to the others."""

    seq: Count
    seen: list[Viewer]
    next: str | None


MARK = Operation(
    "POST", ROOM_SEEN, "markSeen", "All up to one message are seen", {200: Place}, body=Mark, refusals=(403, 404)
)
IN_ROOM = Operation(
    "GET",
    ROOM_SEEN,
    "listViewersOfSeq",
    "Who has seen a room up to a seq",
    {200: Viewers},
    query=RoomViewersQuery,
    refusals=(403, 404),
)
OF_MESSAGE = Operation(
    "GET",
    MESSAGE_SEEN,
    "listViewers",
    "Who has seen a message",
    {200: Viewers},
    query=ViewersQuery,
    refusals=(403, 404),
)
UNREAD = Operation("GET", "/api/v1/unread", "getUnread", "Unread messages, in all and by room", {200: Unread})


def blueprint(reading: Reading, rooms: Rooms) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("reading", __name__)

    @MARK.on(routes)
    def mark(room_id: str) -> Response:
        user_id = who("marking").user_id
        wanted = read_body(Mark)
        return answer(told(reading.mark_for(user_id, checked_id(room_id, "roomId"), wanted.seq, wanted.message_id)))

    @IN_ROOM.on(routes)
    def viewers(room_id: str) -> Response:
        user_id = who("seeing who has read").user_id
        asked = read_query(RoomViewersQuery)
        return answer(_viewers(user_id, checked_id(room_id, "roomId"), asked.seq, asked))

    @OF_MESSAGE.on(routes)
    def viewers_of(message_id: str) -> Response:
        user_id = who("seeing who has read").user_id
        room_id = message_id.rsplit(".", 2)[0]
        return answer(_viewers(user_id, room_id, message_of(room_id, message_id).seq, read_query(ViewersQuery)))

    @UNREAD.on(routes)
    def unread() -> Response:
        return answer(reading.counts_of(who("counting").user_id))

    def _viewers(user_id: str, room_id: str, seq: int, asked: ViewersQuery) -> Viewers:
        """Return which members have seen a room up to a message, a page of members at a time."""
        reading.membership.require(room_id, user_id)
        user_ids = sorted(each for each in rooms.members(room_id) if each > (asked.after or ""))
        page = user_ids[:PAGE]
        found = reading.seen.viewers(room_id, seq, page)
        seen = [Viewer(each.user_id, each.up_to_seq, rfc3339(each.seen_ms)) for each in found]
        return Viewers(seq, seen, page[-1] if len(user_ids) > PAGE else None)

    return routes
