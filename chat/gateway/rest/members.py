"""`/api/v1/rooms/{id}/members/{userId}`: add people, change their roles, remove them, leave."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response

from chat.gateway.rest.bodies import answer, checked_id, no_content, read_body, who
from chat.model.room import Role
from chat.services.room_changes import RoomChanges

URL = "/api/v1/rooms/<room_id>/members/<user_id>"


class _Wanted(msgspec.Struct):
    role: Role | None = None


_wanted = msgspec.json.Decoder(_Wanted)


def blueprint(changes: RoomChanges) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("members", __name__)

    @routes.put(URL)
    def put(room_id: str, user_id: str) -> Response:
        actor_id = who("changing members").user_id
        role = read_body(_wanted, without=b"{}").role
        member = changes.put_member(checked_id(room_id, "id"), actor_id, checked_id(user_id, "userId"), role)
        return answer({"user_id": user_id, "role": member.role})

    @routes.delete(URL)
    def remove(room_id: str, user_id: str) -> Response:
        actor_id = who("removing members").user_id
        changes.remove_member(checked_id(room_id, "id"), actor_id, checked_id(user_id, "userId"))
        return no_content()

    return routes
