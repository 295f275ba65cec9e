"""Rooms as documents: made whole or not seen at all, and members added without losing anybody else's."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

import msgspec

from chat.errors import (
    DocumentExists,
    DocumentMissing,
    InvalidRequest,
    LimitReached,
    RoomExists,
    RoomNotFound,
)
from chat.model.clock import now_ms, rfc3339
from chat.model.room import (
    DIRECT_PREFIX,
    Member,
    MembersRecord,
    Role,
    RoomRecord,
    RoomType,
    UserRoomsRecord,
    direct_room_id,
)
from chat.store.base import Kind, Store

_room = msgspec.json.Decoder(RoomRecord)
_members = msgspec.json.Decoder(MembersRecord)


class Rooms:
    """The domain's rooms over documents by key."""

    def __init__(self, store: Store, *, member_limit: int) -> None:
        self._store = store
        self._member_limit = member_limit

    def get(self, room_id: str) -> RoomRecord:
        """Return a room; raises RoomNotFound."""
        document = self._store.get(Kind.ROOM, room_id)
        if document is None:
            raise RoomNotFound(f"there is no room {room_id}", field="roomId")
        return _room.decode(document.body)

    def members(self, room_id: str) -> dict[str, Member]:
        """Return a room's members by user id; raises RoomNotFound."""
        self.get(room_id)
        document = self._store.get(Kind.MEMBERS, room_id)
        return _members.decode(document.body).members if document else {}

    def create(
        self,
        room_type: RoomType,
        creator_id: str,
        user_ids: Collection[str],
        *,
        room_id: str,
        name: str | None,
    ) -> tuple[RoomRecord, dict[str, Member]]:
        """Make a room of the creator and others; an existing direct room is returned as it is.

        Raises: RoomExists, InvalidRequest, LimitReached.
        """
        others = [user_id for user_id in dict.fromkeys(user_ids) if user_id != creator_id]
        if room_type is RoomType.DIRECT:
            room_id = self._direct_id(creator_id, others)
        elif room_id.startswith(DIRECT_PREFIX):
            raise InvalidRequest(f"{DIRECT_PREFIX}… is kept for direct rooms; choose another id", field="id")
        if len(others) + 1 > self._member_limit:
            raise LimitReached(f"a room has at most {self._member_limit} members", field="members")
        members = self._members_of(room_type, creator_id, others)
        room = RoomRecord(room_id, room_type, name, rfc3339(now_ms()), creator_id)
        if not self._claim(room) and not self._is_unfinished(room_id, creator_id):
            if room_type is not RoomType.DIRECT:
                raise RoomExists(f"there is a room {room_id} already; choose another id", field="id")
            return self.get(room_id), self.members(room_id)
        with suppress(DocumentExists):
            self._store.insert(Kind.MEMBERS, room_id, msgspec.json.encode(MembersRecord(members)))
        for user_id in members:
            self._note_room(user_id, room_id)
        return self.get(room_id), self.members(room_id)

    def open_channel(self, room_id: str, user_id: str, *, is_guest: bool = False) -> None:
        """Make sure that there is a channel of that name with the user in it.

        Raises: RoomNotFound for a name that is kept for direct rooms, LimitReached.
        """
        if room_id.startswith(DIRECT_PREFIX):
            raise RoomNotFound(f"there is no room {room_id}", field="roomId")
        is_new = self._claim(RoomRecord(room_id, RoomType.CHANNEL, room_id, rfc3339(now_ms()), user_id))
        if not is_guest:
            self.add_member(room_id, user_id, Role.OWNER if is_new else Role.MEMBER)

    def add_member(self, room_id: str, user_id: str, role: Role = Role.MEMBER) -> None:
        """Add a user; one who is there keeps the role. Raises RoomNotFound, LimitReached."""
        members = self.members(room_id)
        if user_id in members:
            return
        if len(members) >= self._member_limit:
            raise LimitReached(f"the room is full: {self._member_limit} members", field="roomId")
        member = Member(role, rfc3339(now_ms()))
        first = msgspec.json.encode(MembersRecord({user_id: member}))
        self._set_or_insert(Kind.MEMBERS, room_id, ("members", user_id), msgspec.to_builtins(member), first)
        self._note_room(user_id, room_id)

    def _claim(self, room: RoomRecord) -> bool:
        """Write the room document; False when the id is taken. Its members follow, so nobody is in it yet."""
        try:
            self._store.insert(Kind.ROOM, room.id, msgspec.json.encode(room))
        except DocumentExists:
            return False
        return True

    def _is_unfinished(self, room_id: str, creator_id: str) -> bool:
        """Tell whether this creator's earlier attempt ended between the room and its members."""
        if self._store.get(Kind.MEMBERS, room_id) is not None:
            return False
        room = self.get(room_id)
        return room.created_by == creator_id or room.type is RoomType.DIRECT

    def _note_room(self, user_id: str, room_id: str) -> None:
        now = rfc3339(now_ms())
        first = msgspec.json.encode(UserRoomsRecord({room_id: now}))
        self._set_or_insert(Kind.USER_ROOMS, user_id, ("rooms", room_id), now, first)

    def _set_or_insert(self, kind: Kind, key: str, path: tuple[str, str], value: object, first: bytes) -> None:
        """Set one path of a document, or make the document when this is the first entry in it."""
        try:
            self._store.update_paths(kind, key, sets={path: value})
        except DocumentMissing:
            try:
                self._store.insert(kind, key, first)
            except DocumentExists:
                self._store.update_paths(kind, key, sets={path: value})

    def _members_of(self, room_type: RoomType, creator_id: str, others: Collection[str]) -> dict[str, Member]:
        now = rfc3339(now_ms())
        first = Role.MEMBER if room_type is RoomType.DIRECT else Role.OWNER
        return {creator_id: Member(first, now)} | {each: Member(Role.MEMBER, now) for each in others}

    def _direct_id(self, creator_id: str, others: list[str]) -> str:
        if len(others) != 1:
            raise InvalidRequest("a direct room needs exactly one other person; name one user", field="members")
        return direct_room_id(creator_id, others[0])
