"""Rooms as documents: made whole or not seen at all, and changed without losing anybody else's change."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from zlib import crc32

import msgspec

from chat.errors import (
    CasMismatch,
    DocumentExists,
    DocumentMissing,
    InvalidRequest,
    LimitReached,
    RoomExists,
    RoomNotFound,
    StoreUnavailable,
)
from chat.model.clock import now_ms, rfc3339
from chat.model.room import (
    DIRECT_PREFIX,
    Member,
    MembersRecord,
    Role,
    RoomRecord,
    RoomType,
    Roster,
    direct_room_id,
)
from chat.services.user_rooms import UserRooms
from chat.store.base import Document, Kind, Store

WRITE_WITHIN_S = 3.0  # no write of a change begins later, however many rivals it has
PAUSE_S = 0.01  # at most, before a change is tried again after a rival's
LOCKS = 64

_room = msgspec.json.Decoder(RoomRecord)
_members = msgspec.json.Decoder(MembersRecord)

DecideMembers = Callable[[Roster], dict[str, Member]]
DecideRoom = Callable[[Roster], RoomRecord]


class Rooms:
    """The domain's rooms over documents by key."""

    def __init__(self, store: Store, *, member_limit: int) -> None:
        self._store = store
        self.member_limit = member_limit
        self.of_user = UserRooms(store)
        # Of one process's changes of a room one at a time: they would only make each other try again.
        self._locks = tuple(threading.Lock() for _ in range(LOCKS))

    def get(self, room_id: str) -> RoomRecord:
        """Return a room; raises RoomNotFound, also for a deleted one."""
        room = self.find(room_id)
        if room is None or room.deleted_at:
            raise RoomNotFound(f"there is no room {room_id}", field="roomId")
        return room

    def find(self, room_id: str) -> RoomRecord | None:
        """Return a room, a deleted one too; None when there never was one."""
        document = self._store.get(Kind.ROOM, room_id)
        return _room.decode(document.body) if document else None

    def members(self, room_id: str) -> dict[str, Member]:
        """Return a room's members by user id; raises RoomNotFound."""
        return self.roster(room_id).members

    def roster(self, room_id: str, *, is_deleted_too: bool = False) -> Roster:
        """Return a room and its members; raises RoomNotFound."""
        room = self.find(room_id) if is_deleted_too else self.get(room_id)
        if room is None:
            raise RoomNotFound(f"there is no room {room_id}", field="roomId")
        return Roster(room, _record(self._store.get(Kind.MEMBERS, room_id)))

    def rooms(self, room_ids: Collection[str]) -> dict[str, RoomRecord]:
        """Return those rooms that are there and not deleted, in one read."""
        found = {key: _room.decode(each.body) for key, each in self._store.get_many(Kind.ROOM, room_ids).items()}
        return {key: room for key, room in found.items() if not room.deleted_at}

    def rosters(self, room_ids: Collection[str]) -> dict[str, Roster]:
        """Return those rooms with their members, in two reads."""
        rooms = self.rooms(room_ids)
        members = self._store.get_many(Kind.MEMBERS, rooms)
        return {key: Roster(room, _record(members.get(key))) for key, room in rooms.items()}

    def place_of(
        self, room_type: RoomType, creator_id: str, user_ids: Collection[str], room_id: str
    ) -> tuple[str, list[str]]:
        """Return the id and the other members of a room that is to be made; a pair's id is the pair's.

        Raises: InvalidRequest, LimitReached.
        """
        others = [user_id for user_id in dict.fromkeys(user_ids) if user_id != creator_id]
        if room_type is RoomType.DIRECT:
            if len(others) != 1:
                raise InvalidRequest("a direct room needs exactly one other person; name one user", field="members")
            room_id = direct_room_id(creator_id, others[0])
        elif room_id.startswith(DIRECT_PREFIX):
            raise InvalidRequest(f"{DIRECT_PREFIX}… is kept for direct rooms; choose another id", field="id")
        if len(others) + 1 > self.member_limit:
            raise LimitReached(f"a room has at most {self.member_limit} members", field="members")
        return room_id, others

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
        room_id, others = self.place_of(room_type, creator_id, user_ids, room_id)
        room = RoomRecord(room_id, room_type, name, rfc3339(now_ms()), creator_id)
        if not self._claim(room) and not self._is_unfinished(room_id, creator_id):
            if room_type is not RoomType.DIRECT:
                raise RoomExists(f"there is a room {room_id} already; choose another id", field="id")
            return self._whole(room_id)
        record = MembersRecord(_first_members(room_type, creator_id, others), 1)
        with suppress(DocumentExists):
            self._store.insert(Kind.MEMBERS, room_id, msgspec.json.encode(record))
        self.of_user.note(record.members, room_id)
        return self._whole(room_id)

    def claim_channel(self, room_id: str, user_id: str) -> None:
        """Make sure that there is a room of that name, an empty channel if it is new.

        Raises: RoomNotFound for a name that is kept for direct rooms, or was a deleted room's.
        """
        if room_id.startswith(DIRECT_PREFIX):
            raise RoomNotFound(f"there is no room {room_id}", field="roomId")
        if not self._claim(RoomRecord(room_id, RoomType.CHANNEL, room_id, rfc3339(now_ms()), user_id)):
            self.get(room_id)

    def change_members(self, room_id: str, decide: DecideMembers) -> tuple[Roster, Roster]:
        """Let `decide` make the members of those that are there; return the room before and after.

        What `decide` raises is raised, and nothing is changed. It is asked anew when another change came first.
        Raises: RoomNotFound, StoreUnavailable.
        """
        with self._locks[crc32(room_id.encode()) % LOCKS]:
            deadline = time.monotonic() + WRITE_WITHIN_S
            while True:
                room = self.get(room_id)
                document = self._store.get(Kind.MEMBERS, room_id)
                before = Roster(room, _record(document))
                members = decide(before)
                if members == before.members:
                    return before, before
                record = MembersRecord(members, before.record.revision + 1)
                if self._write(Kind.MEMBERS, room_id, document, msgspec.json.encode(record), deadline):
                    break
            for user_id in before.members.keys() ^ members.keys():
                self.settle_user(room_id, user_id)
            return before, Roster(room, record)

    def change_room(self, room_id: str, decide: DecideRoom) -> RoomRecord:
        """Let `decide` make the room's document of the one that is there; return it. Raises as `change_members`."""
        deadline = time.monotonic() + WRITE_WITHIN_S
        while True:
            document = self._store.get(Kind.ROOM, room_id)
            present = _room.decode(document.body) if document else None
            if document is None or present is None or present.deleted_at:
                raise RoomNotFound(f"there is no room {room_id}", field="roomId")
            wanted = decide(Roster(present, _record(self._store.get(Kind.MEMBERS, room_id))))
            if wanted == present:
                return present
            wanted = msgspec.structs.replace(wanted, revision=present.revision + 1)
            if self._write(Kind.ROOM, room_id, document, msgspec.json.encode(wanted), deadline):
                return wanted

    def empty(self, room_id: str) -> None:
        """Let nobody be in a deleted room any more."""
        deadline = time.monotonic() + WRITE_WITHIN_S
        while True:
            document = self._store.get(Kind.MEMBERS, room_id)
            record = _record(document)
            body = msgspec.json.encode(MembersRecord({}, record.revision + 1))
            if not record.members or self._write(Kind.MEMBERS, room_id, document, body, deadline):
                return

    def settle_user(self, room_id: str, user_id: str) -> bool:
        """Let the list of a user's rooms say what the room's members say; tell whether it did not.

        The members are read again behind the write: of two that settle at once the last one is right.
        """
        was_wrong = False
        while True:
            document = self._store.get(Kind.MEMBERS, room_id)
            if not self.of_user.put(user_id, room_id, is_in=user_id in _record(document).members):
                return was_wrong
            was_wrong = True

    def _write(self, kind: Kind, key: str, found: Document | None, body: bytes, deadline: float) -> bool:
        """Write a document over the one that was found; False when it changed meanwhile."""
        if time.monotonic() > deadline:
            raise StoreUnavailable(f"too many changes of {kind} {key} at once")
        try:
            if found is None:
                self._store.insert(kind, key, body)
            else:
                self._store.replace(kind, key, body, found.cas)
        except (CasMismatch, DocumentExists, DocumentMissing):
            time.sleep(random.uniform(0, PAUSE_S))
            return False
        return True

    def _claim(self, room: RoomRecord) -> bool:
        """Write the room document; False when the id is taken. Its members follow, so nobody is in it yet."""
        try:
            self._store.insert(Kind.ROOM, room.id, msgspec.json.encode(room))
        except DocumentExists:
            return False
        return True

    def _whole(self, room_id: str) -> tuple[RoomRecord, dict[str, Member]]:
        roster = self.roster(room_id)
        return roster.room, roster.members

    def _is_unfinished(self, room_id: str, creator_id: str) -> bool:
        """Tell whether this creator's earlier attempt ended between the room and its members."""
        if self._store.get(Kind.MEMBERS, room_id) is not None:
            return False
        room = self.find(room_id)
        if room is None or room.deleted_at:
            return False
        return room.created_by == creator_id or room.type is RoomType.DIRECT


def _record(document: Document | None) -> MembersRecord:
    return _members.decode(document.body) if document else MembersRecord({})


def _first_members(room_type: RoomType, creator_id: str, others: Iterable[str]) -> dict[str, Member]:
    now = rfc3339(now_ms())
    first = Role.MEMBER if room_type is RoomType.DIRECT else Role.OWNER
    return {creator_id: Member(first, now)} | {each: Member(Role.MEMBER, now) for each in others}
