"""What a change of a room is, and the event that tells it with the room as it is now."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass

from chat.broker.base import DurableEvent, Intent
from chat.model.events import split_frame
from chat.model.publication import EVERYBODY, NOBODY
from chat.model.room import Roster, room_as_told

EVENT = "room-updated"
CREATED, ADDED, REMOVED = "created", "member-added", "member-removed"
ROLE, RENAMED, DELETED = "role-changed", "renamed", "deleted"
NAMED_IN_EVENT = 50  # members; in a larger room an event names only the one it is about


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to a room; `users` are told of it even where they do not listen to it."""

    kind: str
    room_id: str
    user_id: str | None = None
    users: Collection[str] = ()

    @property
    def cut(self) -> str:
        """Whom it cuts off from the room."""
        if self.kind == DELETED:
            return EVERYBODY
        return self.user_id or NOBODY if self.kind == REMOVED else NOBODY

    def intent(self) -> Intent:
        """Return the note of it."""
        detail = f"{self.kind}:{self.user_id or ''}"
        return Intent(EVENT, self.room_id, self.room_id, detail, secrets.token_hex(6))

    def event(self, roster: Roster) -> DurableEvent | None:
        """Return the event with the room's present state, None where a later change has undone this one."""
        if bool(roster.room.deleted_at) != (self.kind == DELETED):
            return None  # the deletion is told by itself
        if self.kind in (ADDED, REMOVED) and (self.user_id in roster.members) != (self.kind == ADDED):
            return None
        about = [self.user_id] if self.user_id else []
        told = room_as_told(roster, about if len(roster.members) > NAMED_IN_EVENT else None)
        named = {"userId": self.user_id} if self.user_id else {}
        head, tail = split_frame(EVENT, {"roomId": self.room_id, "change": self.kind, **named, "room": told})
        return DurableEvent(
            self.room_id, EVENT, self.room_id, roster.revision, head, tail, self.cut, self.users, True
        )
