"""What a connection asks about reading: marks of what was seen, unread counts, where one stands after a join."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from chat.errors import InvalidRequest
from chat.gateway.session import Session
from chat.hub import Hub
from chat.model.cursor import Standing
from chat.model.publication import read_unread
from chat.protocol import commands
from chat.services.cursors import Pair
from chat.services.membership import Membership
from chat.services.seen import Seen
from chat.services.standings import Standings
from chat.services.unread import Unread

Mentioned = Callable[[Mapping[Pair, Standing]], Mapping[Pair, int]]


def _no_mentions(_standings: Mapping[Pair, Standing]) -> dict[Pair, int]:
    """Stand in where nobody looks for mentions."""
    return {}


@dataclass(frozen=True, slots=True)
class Reading:
    """Answers members; `on_asked(user, rooms)` is called with everybody who asked for all counts."""

    hub: Hub
    membership: Membership
    seen: Seen
    unread: Unread
    everywhere: Standings
    on_asked: Callable[[str, Collection[str]], None]
    mentions: Mentioned = _no_mentions  # how many unread messages name each user

    def mark(self, session: Session, command: commands.MarkSeen) -> dict[str, Any]:
        """Take `mark-messages-seen`."""
        data = command.data
        room_id, message_id, seq = data.room, data.message, data.number
        _require_one(seq, message_id)
        is_guest = session.identity.is_guest
        self.membership.require(room_id, session.user_id, is_guest=is_guest)
        standing = self.seen.mark(room_id, session.user_id, seq=seq, message_id=message_id)
        return {"roomId": room_id, **told(standing)}

    def mark_for(self, user_id: str, room_id: str, seq: int | None, message_id: str | None) -> Standing:
        """Take a mark of a request."""
        _require_one(seq, message_id)
        self.membership.require(room_id, user_id)
        return self.seen.mark(room_id, user_id, seq=seq, message_id=message_id)

    def get_unread(self, session: Session, _command: commands.GetUnread) -> dict[str, Any]:
        """Take `get-unread-counts`; a guest, who is a member of nothing, is told of the rooms it is in."""
        if not session.identity.is_guest:
            return self.counts_of(session.user_id)
        return self._counts(self.unread.of((room_id, session.user_id) for room_id in session.rooms))

    def counts_of(self, user_id: str) -> dict[str, Any]:
        """Return the total and the unread count of each of a user's rooms."""
        standings = self.everywhere.of(user_id)
        self.on_asked(user_id, [room_id for room_id, _ in standings])
        return self._counts(standings)

    def standings(self, session: Session, room_ids: Collection[str]) -> dict[str, dict[str, int]]:
        """Return what the ack of a join tells of each room."""
        return {room_id: told(each) for room_id, each in self._standings(session, room_ids).items()}

    def hear(self, user_id: str, payload: bytes) -> None:
        """Pass on what changed in a user's counts."""
        change = read_unread(payload)
        self.hub.tell_user_outside(user_id, change.room_id if change.is_new else None, change.frame)

    def _counts(self, standings: Mapping[Pair, Standing]) -> dict[str, Any]:
        mentions = {room_id: count for (room_id, _), count in self.mentions(standings).items()}
        rooms = {room_id: standing.unread for (room_id, _), standing in standings.items()}
        total, mentioned = sum(rooms.values()), sum(mentions.values())
        return {"total": total, "rooms": rooms, "mentions": mentions, "totalMentions": mentioned}

    def _standings(self, session: Session, room_ids: Collection[str]) -> dict[str, Standing]:
        found = self.unread.of((room_id, session.user_id) for room_id in room_ids)
        return {room_id: standing for (room_id, _), standing in found.items()}


def _require_one(seq: int | None, message_id: str | None) -> None:
    if (seq is None) == (message_id is None):
        raise InvalidRequest("name the message by messageId or by seq, one of them", field="messageId")


def told(standing: Standing) -> dict[str, int]:
    """Return where one stands as clients are told."""
    return {"read_seq": standing.read_seq, "unread": standing.unread}
