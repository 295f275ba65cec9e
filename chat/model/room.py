"""Rooms and who is in them, as the store keeps them."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec

DIRECT_PREFIX = "direct-"  # no other room's id starts so, or it could sit in a pair's place


class RoomType(StrEnum):
    """Who may come in: two people, the invited, or anybody."""

    DIRECT = "direct"
    GROUP = "group"
    CHANNEL = "channel"


class Role(StrEnum):
    """What a member may do."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


class Member(msgspec.Struct, frozen=True):
    """A user's place in a room."""

    role: Role
    joined_at: str


class RoomRecord(msgspec.Struct, frozen=True):
    """The document of kind `room`, under the room's id. `last_seq` is raised by every stored batch."""

    id: str
    type: RoomType
    name: str | None
    created_at: str
    created_by: str
    last_seq: int = 0


class MembersRecord(msgspec.Struct, frozen=True):
    """The document of kind `members`, under the room's id."""

    members: dict[str, Member]


class UserRoomsRecord(msgspec.Struct, frozen=True):
    """The document of kind `user_rooms`, under the user's id: when the user came to each room."""

    rooms: dict[str, str]


def direct_room_id(one: str, other: str) -> str:
    """Return the id of the one direct room of two people, whoever asks."""
    pair = ":".join(sorted((one, other)))
    return DIRECT_PREFIX + hashlib.sha256(pair.encode()).hexdigest()[:40]
