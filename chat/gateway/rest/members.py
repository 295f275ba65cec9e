"""`/api/v1/rooms/{id}/members/{userId}`: add people, change their roles, remove them, leave."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response

from chat.gateway.rest.bodies import answer, checked_id, no_content, read_body, who
from chat.gateway.rest.operations import Operation
from chat.model.room import Role
from chat.protocol.shapes import RoomMember
from chat.services.room_changes import RoomChanges

PATH = "/api/v1/rooms/<room_id>/members/<user_id>"


class WantedRole(msgspec.Struct, frozen=True):
    """The role that is wanted; without one a new member is `member`, and another keeps the role."""

    role: Role | None = None


PUT = Operation(
    "PUT",
    PATH,
    "putMember",
    "Add a user or change the role; oneself in a channel: join",
    {200: RoomMember},
    body=WantedRole,
    is_body_optional=True,
    refusals=(403, 404, 409),
)
REMOVE = Operation(
    "DELETE", PATH, "removeMember", "Remove a user; oneself: leave", {204: None}, refusals=(403, 404, 409)
)


def blueprint(changes: RoomChanges) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("members", __name__)

    @PUT.on(routes)
    def put(room_id: str, user_id: str) -> Response:
        actor_id = who("changing members").user_id
        role = read_body(WantedRole, without=b"{}").role
        member = changes.put_member(checked_id(room_id, "id"), actor_id, checked_id(user_id, "userId"), role)
        return answer(RoomMember(user_id, member.role))

    @REMOVE.on(routes)
    def remove(room_id: str, user_id: str) -> Response:
        actor_id = who("removing members").user_id
        changes.remove_member(checked_id(room_id, "id"), actor_id, checked_id(user_id, "userId"))
        return no_content()

    return routes
