"""After a change of a room here it is stored, known to every cache, told to everyone it concerns, and obeyed.

Each change takes the same steps: asked of the rules, noted, stored, taken over by the caches, told. One that takes
somebody out of a room is answered only when every server has let go of him.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

import msgspec

from chat.broker.base import Appended, DurableEvent, Intent
from chat.errors import RoomNotFound
from chat.model.clock import now_ms, rfc3339
from chat.model.publication import EVERYBODY, NOBODY
from chat.model.room import Member, Role, RoomRecord, RoomType, Roster
from chat.services import roles
from chat.services.announcing import Announcer
from chat.services.room_updates import ADDED, CREATED, DELETED, REMOVED, RENAMED, ROLE, Change
from chat.services.rooms import DecideMembers, Rooms

QUIET_ABOVE = 100  # members; who joins or leaves a larger channel by himself is not told to all of them


class MembersCaches(Protocol):
    """The shared caches of who is in which room."""

    def added(self, room_id: str, revision: int, user_id: str) -> None: ...

    def removed(self, room_id: str, revision: int, user_id: str) -> None: ...

    def drop(self, room_id: str, revision: int, user_ids: Collection[str]) -> None: ...


class RoomChanges:
    """All that changes rooms; `await_cut(appended)` returns when every server has obeyed: a server names its own
    before it starts, which asks for memberships itself.

    `on_moved(user, room)` hears who came or went, `*` for everybody, because what is unread is another number then.
    """

    def __init__(
        self,
        rooms: Rooms,
        announcer: Announcer,
        caches: MembersCaches,
        await_cut: Callable[[Appended], None] = lambda _: None,
        on_moved: Callable[[str, str], None] = lambda _user, _room: None,
    ) -> None:
        self._rooms = rooms
        self._announcer = announcer
        self._caches = caches
        self.await_cut = await_cut
        self._on_moved = on_moved

    def create(
        self, room_type: RoomType, creator_id: str, user_ids: Collection[str], *, room_id: str, name: str | None
    ) -> Roster:
        """Make a room and tell its members; an existing direct room is returned as it is.

        Raises: RoomExists, InvalidRequest, LimitReached.
        """
        room_id, others = self._rooms.place_of(room_type, creator_id, user_ids, room_id)
        if room_type is RoomType.DIRECT and (there := self._existing(room_id)):
            return there
        change = Change(CREATED, room_id, users=[creator_id, *others])
        intent = change.intent()
        with self._announcer.noting(intent):
            self._rooms.create(room_type, creator_id, user_ids, room_id=room_id, name=name)
        roster = self._rooms.roster(room_id)
        self._caches.drop(room_id, roster.record.revision, roster.members)
        self._tell(change, intent)
        return roster

    def join(self, room_id: str, user_id: str) -> None:
        """Let a user into a channel; raises NotAMember, RoomNotFound, LimitReached."""
        self._change_members(
            room_id, user_id, ADDED, lambda roster: roles.joined(roster, user_id, self._rooms.member_limit)
        )

    def open_channel(self, room_id: str, user_id: str, *, is_guest: bool = False) -> None:
        """Make sure that there is a channel of that name with the user in it; guests leave no membership behind.

        Raises: RoomNotFound for a name that can't be a channel's, NotAMember, LimitReached.
        """
        self._rooms.claim_channel(room_id, user_id)
        if not is_guest:
            self.join(room_id, user_id)

    def put_member(self, room_id: str, actor_id: str, user_id: str, role: Role | None) -> Member:
        """Add a user or change the role; raises NotAMember, Forbidden, LastOwner, LimitReached, RoomNotFound."""
        limit = self._rooms.member_limit
        is_there = user_id in self._rooms.members(room_id)
        roster = self._change_members(
            room_id,
            user_id,
            ROLE if is_there else ADDED,
            lambda before: roles.put(before, actor_id, user_id, role, limit),
            is_own=actor_id == user_id,
        )
        return roster.members[user_id]

    def remove_member(self, room_id: str, actor_id: str, user_id: str) -> None:
        """Take a user out of a room; when this returns, no server sends him anything of it.

        A group that its last member leaves is deleted.
        Raises: NotAMember, Forbidden, MemberNotFound, LastOwner, RoomNotFound.
        """
        roster = self._change_members(
            room_id,
            user_id,
            REMOVED,
            lambda before: roles.removed(before, actor_id, user_id),
            is_own=actor_id == user_id,
        )
        self._end_if_empty(roster, [user_id])

    def rename(self, room_id: str, actor_id: str, name: str | None) -> Roster:
        """Give a room another name; raises NotAMember, Forbidden, RoomNotFound."""

        def decide(roster: Roster) -> RoomRecord:
            roles.require_moderator(roster, actor_id, "renaming")
            return msgspec.structs.replace(roster.room, name=name)

        before = self._rooms.roster(room_id)
        if decide(before) == before.room:
            return before
        change = Change(RENAMED, room_id, users=before.members)
        intent = change.intent()
        with self._announcer.noting(intent):
            self._rooms.change_room(room_id, decide)
        self._tell(change, intent)
        return self._rooms.roster(room_id)

    def delete(self, room_id: str, actor_id: str) -> None:
        """End a room for good; raises NotAMember, Forbidden, RoomNotFound."""
        before = self._rooms.roster(room_id)
        roles.require_owner(before, actor_id, "deleting a room")
        self._bury(room_id, before.members, lambda roster: roles.require_owner(roster, actor_id, "deleting a room"))

    def finish(self, intent: Intent) -> None:
        """Tell of a change that was interrupted, after mending what it may have left undone.

        Raises: BrokerUnavailable, StoreUnavailable; then it is still to be finished.
        """
        kind, _, user_id = intent.detail.partition(":")
        room = self._rooms.find(intent.room_id)
        if room is None or (room.deleted_at and kind != DELETED):
            self._announcer.drop(intent)
            return
        roster = self._rooms.roster(intent.room_id, is_deleted_too=True)
        change = Change(kind, intent.room_id, user_id or None, [user_id] if user_id else roster.members)
        if room.deleted_at:
            self._rooms.empty(intent.room_id)
        elif user_id:
            self._rooms.settle_user(intent.room_id, user_id)
        elif kind == CREATED:
            self._rooms.of_user.note(roster.members, intent.room_id)
        roster = self._rooms.roster(intent.room_id, is_deleted_too=True)
        self._caches.drop(intent.room_id, roster.record.revision, change.users)
        self._note_move(change)
        self._tell(change, intent)
        self._end_if_empty(roster, change.users)

    def _end_if_empty(self, roster: Roster, users: Collection[str]) -> None:
        if not roster.members and roster.room.type is RoomType.GROUP and not roster.room.deleted_at:
            self._bury(roster.room.id, users, lambda _: None)

    def _change_members(
        self, room_id: str, user_id: str, kind: str, decide: DecideMembers, *, is_own: bool = True
    ) -> Roster:
        before = self._rooms.roster(room_id)
        if decide(before) == before.members:
            return before
        change = Change(kind, room_id, user_id, [user_id])
        intent = change.intent()
        with self._announcer.noting(intent):
            before, after = self._rooms.change_members(room_id, decide)
        if after is before:
            self._announcer.drop(intent)
            return after
        if kind == ADDED:
            self._caches.added(room_id, after.record.revision, user_id)
        elif kind == REMOVED:
            self._caches.removed(room_id, after.record.revision, user_id)
        else:
            self._caches.drop(room_id, after.record.revision, [user_id])
        self._note_move(change)
        if kind == ADDED and is_own and not 1 < len(after.members) <= QUIET_ABOVE:
            self._announcer.drop(intent)  # nobody else is there, or too many are
        else:
            self._tell(change, intent)
        return after

    def _bury(self, room_id: str, users: Collection[str], require: Callable[[Roster], None]) -> None:
        def decide(roster: Roster) -> RoomRecord:
            require(roster)
            return msgspec.structs.replace(roster.room, deleted_at=rfc3339(now_ms()))

        change = Change(DELETED, room_id, users=users)
        intent = change.intent()
        with self._announcer.noting(intent):
            self._rooms.change_room(room_id, decide)
        self._rooms.empty(room_id)
        roster = self._rooms.roster(room_id, is_deleted_too=True)
        self._caches.drop(room_id, roster.record.revision, users)
        self._note_move(change)
        self._tell(change, intent)

    def _note_move(self, change: Change) -> None:
        if change.kind in (ADDED, REMOVED):
            self._on_moved(change.user_id or EVERYBODY, change.room_id)
        elif change.kind == DELETED:
            self._on_moved(EVERYBODY, change.room_id)

    def _existing(self, room_id: str) -> Roster | None:
        try:
            roster = self._rooms.roster(room_id)
        except RoomNotFound:
            return None
        return roster if roster.members else None

    def _tell(self, change: Change, intent: Intent) -> None:
        appended = self._announcer.announce(intent, lambda: self._present(change), is_awaited=change.cut != NOBODY)
        if appended is not None and appended.token:
            self.await_cut(appended)

    def _present(self, change: Change) -> DurableEvent | None:
        return change.event(self._rooms.roster(change.room_id, is_deleted_too=True))
