"""What events, acks and REST answers tell of: messages, rooms, and why something was not done."""

# ruff: noqa: N815 - the members have the names of the wire
from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from chat.model.room import Role, RoomType

Time = Annotated[str, Meta(pattern=r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z", description="RFC 3339, UTC")]
Offset = Annotated[int, Meta(ge=1, description="place in the room's log of durable events")]
Seq = Annotated[int, Meta(ge=1, description="number of the message in its room")]
Revision = Annotated[int, Meta(ge=1, description="counts edits, reactions and the deletion")]
Reactions = dict[str, list[str]]


class Message(Struct, frozen=True, forbid_unknown_fields=True, rename={"is_temp": "_temp"}):
    """A message; `_temp` until it is durable."""

    id: str
    room_id: str
    seq: Seq
    sender_id: str
    sender_name: str
    content: str
    temp_id: str
    created_at: Time
    reply_to: str | None
    attachments: list[dict[str, Any]]
    metadata: dict[str, Any]
    edited_at: Time | None
    deleted_at: Time | None
    reactions: Reactions
    is_temp: bool
    revision: Revision | UnsetType = UNSET
    reply_count: Annotated[int, Meta(ge=0, description="once there was a reply")] | UnsetType = UNSET
    last_reply_at: Time | UnsetType | None = UNSET
    offset: Offset | UnsetType = UNSET
    confirm_by: Time | UnsetType = UNSET


class RoomMember(Struct, frozen=True, forbid_unknown_fields=True):
    """A user in a room, and what the user may do there."""

    user_id: str
    role: Role


class Room(Struct, frozen=True, forbid_unknown_fields=True):
    """A room with its first members, or with those that an event is about."""

    id: str
    type: RoomType
    name: str | None
    created_at: Time
    member_count: Annotated[int, Meta(ge=0)]
    members: list[RoomMember]


class Failure(Struct, frozen=True, forbid_unknown_fields=True):
    """Why a message was not kept; `retryable`: it may be sent again under its temp id."""

    code: str
    message: str
    retryable: bool


class Fault(Struct, frozen=True, forbid_unknown_fields=True):
    """Why a request was not done; `field` names what to mend, `retryAfter` is in seconds."""

    code: str
    message: str
    field: str | None
    retryAfter: float | UnsetType = UNSET
