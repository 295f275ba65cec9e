"""Presence with its shared side in memory, and a server's side on top of it, for tests without a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from chat.errors import BrokerUnavailable
from chat.gateway.presence import LivePresence
from chat.gateway.writer import write_all
from chat.hub import Hub, Statuses
from chat.model.presence import STRANGER, Batch, Decided, RoomPresence, StatusChange
from chat.protocol.frames import text_frame
from chat.services.presence import Presence

SEEN = "2026-01-31T12:00:00.000Z"


class MemoryBoard:
    """One server's leases that never end by themselves; `calls` counts what would be round trips."""

    def __init__(self) -> None:
        self.rooms: dict[str, set[str]] = {}  # online user -> rooms
        self.names: dict[str, str] = {}
        self.batches: list[Batch] = []
        self.shown: list[StatusChange] = []
        self.ended: list[str] = []
        self.publish: Callable[[list[StatusChange]], object] = lambda changes: None
        self.shortened: list[tuple[list[str], float]] = []
        self.calls = self.clock = 0
        self.is_down = self.is_deaf = False  # nothing is decided; what is decided is not shown

    def decide(self, batch: Batch) -> Decided:
        self.calls += 1
        if self.is_down:
            raise BrokerUnavailable("decide")
        self.batches.append(batch)
        changes, lost = [], set()
        for user_id, rooms in (*batch.exits.items(), *batch.removals.items()):
            left = self.rooms.get(user_id, set()) & set(rooms)
            self.rooms.get(user_id, set()).difference_update(left)
            changes.append(self._change("left", user_id, left))
        for each in batch.arrivals:
            if each.user_id not in self.rooms and not each.is_new:
                lost.add(each.user_id)
            known = self.rooms.setdefault(each.user_id, set())
            self.names[each.user_id] = each.name
            changes.append(self._change("online", each.user_id, set(each.rooms) - known))
            known.update(each.rooms)
        lost.update(each.user_id for each in batch.renewals if each.user_id not in self.rooms)
        for user_id in batch.departures:
            if user_id in self.rooms:
                changes.append(self._change("offline", user_id, self.rooms.pop(user_id)))
        return Decided(tuple(each for each in changes if each.rooms or each.kind == "offline"), frozenset(lost))

    def show(self, batch: Batch, decided: Decided) -> None:
        self.calls += 1
        if self.is_deaf:
            raise BrokerUnavailable("show")
        self.shown += decided.changes
        self.publish(list(decided.changes))

    def expired(self, limit: int) -> list[str]:
        found, self.ended = self.ended[:limit], self.ended[limit:]
        return found

    def shorten(self, user_ids: list[str], lease_s: float) -> None:
        if self.is_down:
            raise BrokerUnavailable("shorten")
        self.shortened.append((user_ids, lease_s))

    def rooms_online(self, room_ids: Sequence[str], limit: int) -> dict[str, RoomPresence]:
        self.calls += 1
        if self.is_down:
            raise BrokerUnavailable("read")
        found = {}
        for room_id in room_ids:
            there = [user_id for user_id, rooms in self.rooms.items() if room_id in rooms]
            found[room_id] = RoomPresence(len(there), {each: self.names[each] for each in there[:limit]})
        return found

    def told(self) -> list[tuple[str, str, set[str]]]:
        """Return what was shown since the last asking, as (kind, user, rooms)."""
        found, self.shown = self.shown, []
        return [(each.kind, each.user_id, set(each.rooms)) for each in found]

    def _change(self, kind: Any, user_id: str, rooms: set[str]) -> StatusChange:
        self.clock += 1
        return StatusChange(kind, user_id, self.clock, SEEN, self.names.get(user_id, ""), sorted(rooms))


def live_presence(hub: Hub, board: MemoryBoard | None = None, limit: int = 100) -> LivePresence:
    """Return a server's presence whose greenlet was not started."""
    board = board or MemoryBoard()
    statuses = Statuses(hub, partial(write_all, droppable=True), text_frame, limit)
    presence = Presence(board, lease_s=75, grace_s=5)
    return LivePresence(
        hub, statuses, presence, board, board, lambda _user, _rooms, asked: dict.fromkeys(asked, STRANGER)
    )
