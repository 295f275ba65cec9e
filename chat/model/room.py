"""Rooms and who is in them, as the store keeps them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from enum import StrEnum
from itertools import islice
from typing import Any, NamedTuple

import msgspec

DIRECT_PREFIX = "direct-"  # no other room's id starts so, or it could sit in a pair's place


MEMBERS_SHOWN = 200  # of a room, in an answer


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


class Pin(msgspec.Struct, frozen=True):
    """Who pinned a message, and when (RFC 3339)."""

    user_id: str
    at: str


class RoomRecord(msgspec.Struct, frozen=True):
    """The document of kind `room`, under the room's id. `last_seq` is raised by every stored batch.

    A deleted room's document stays, so that its id is never another room's.
    """

    id: str
    type: RoomType
    name: str | None
    created_at: str
    created_by: str
    last_seq: int = 0
    revision: int = 0  # one more with each change of name and pins, and with the deletion
    deleted_at: str | None = None
    pins: dict[str, Pin] = {}  # by message id, the newest last


class MembersRecord(msgspec.Struct, frozen=True):
    """The document of kind `members`, under the room's id: the truth of who is in the room."""

    members: dict[str, Member]
    revision: int = 0  # one more with each change


class Roster(NamedTuple):
    """A room and its members, read one after the other."""

    room: RoomRecord
    record: MembersRecord

    @property
    def members(self) -> dict[str, Member]:
        """Return the members by user id."""
        return self.record.members

    @property
    def revision(self) -> int:
        """Return a number that grows with each change of either: of two readings the higher is the newer.

        Whoever tells of a change reads both documents after the write, so of two changes at least one is told
        with both in it, and that one has the higher sum.
        """
        return self.room.revision + self.record.revision

    def role_of(self, user_id: str) -> Role | None:
        """Return a user's role, None for one who is not in the room."""
        member = self.members.get(user_id)
        return member.role if member else None


class UserRoomsRecord(msgspec.Struct, frozen=True):
    """The document of kind `user_rooms`, under the user's id: when the user came to each room."""

    rooms: dict[str, str]


def room_as_told(roster: Roster, only: Collection[str] | None = None) -> dict[str, Any]:
    """Return a room as clients see it, with its first members, or `only` those that are named."""
    room, members = roster.room, roster.members
    named = islice(members, MEMBERS_SHOWN) if only is None else [each for each in only if each in members]
    return {
        "id": room.id,
        "type": room.type,
        "name": room.name,
        "created_at": room.created_at,
        "member_count": len(members),
        "members": [{"user_id": each, "role": members[each].role} for each in named],
    }


def direct_room_id(one: str, other: str) -> str:
    """Return the id of the one direct room of two people, whoever asks."""
    pair = ":".join(sorted((one, other)))
    return DIRECT_PREFIX + hashlib.sha256(pair.encode()).hexdigest()[:40]
