"""After a change of presence came through here, each local listener who shares a room with the user was told once.

For each local room it is kept who is online there, as its listeners were told (its *attendance*): so a join is
answered from memory, nobody is told the same twice, and what was missed while Redis was out of reach is found by
comparing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from chat.hub.hub import Hub
from chat.hub.room import Listener, Room
from chat.model.clock import now_ms, rfc3339
from chat.model.events import status_frame
from chat.model.presence import RoomPresence, StatusChange

FRESH_S = 30.0  # a attendance is read again at a join after so long: pub/sub can lose silently
ROOMS_LOOKED_AT = 50  # of the asker's rooms: 0.1 ms of the loop; whoever is in none of them is asked for in Redis
ORDER_LIMIT = 20_000  # users whose newest change is remembered, to drop one that comes out of order


@dataclass(slots=True)
class Attendance:
    """Who is online in a room; beyond the limit some of them, and nobody is told of changes."""

    online: dict[str, str]  # user -> name
    count: int
    read_s: float


class Statuses:
    """The attendances of the rooms that have listeners here. `fanout` may drop frames for slow readers."""

    def __init__(
        self,
        hub: Hub,
        fanout: Callable[[Iterable[Any], bytes], None],
        framing: Callable[[bytes], bytes],
        limit: int,
    ) -> None:
        self.limit = limit
        self._hub = hub
        self._fanout = fanout
        self._framing = framing
        self._attendances: dict[str, Attendance] = {}
        self._reading: dict[str, list[StatusChange]] = {}  # room -> what came while it is read
        self._newest: dict[str, StatusChange] = {}

    def fresh(self, room_id: str) -> Attendance | None:
        """Return a attendance that may be shown as it is."""
        attendance = self._attendances.get(room_id)
        return attendance if attendance is not None and time.monotonic() - attendance.read_s < FRESH_S else None

    def known(self, room_id: str) -> Attendance | None:
        """Return the attendance there is, however old."""
        return self._attendances.get(room_id)

    def online_among(self, room_ids: Iterable[str], user_ids: Collection[str]) -> tuple[set[str], list[str]]:
        """Return who of these users is online in one of the rooms, by attendances that may be shown as they are.

        And the rooms whose attendance names more of them, but has to be read again first.
        """
        here: set[str] = set()
        stale: list[str] = []
        wanted = set(user_ids)
        for room_id in islice(room_ids, ROOMS_LOOKED_AT):
            attendance = self._attendances.get(room_id)
            if attendance is None or not (found := wanted & attendance.online.keys()):
                continue
            if self.fresh(room_id) is None:
                stale.append(room_id)
                continue
            here |= found
            wanted -= found
            if not wanted:
                return here, []
        return here, stale

    def begin_reading(self, room_ids: Collection[str]) -> None:
        """Keep what comes about these rooms from now on, until `put`."""
        for room_id in room_ids:
            self._reading[room_id] = []

    def abandon(self, room_ids: Collection[str]) -> None:
        """Forget a reading that failed."""
        for room_id in room_ids:
            self._reading.pop(room_id, None)

    def put(self, room_id: str, found: RoomPresence, *, tells: bool = False) -> None:
        """Take what was read, with what came meanwhile; on demand tell the listeners what they had missed."""
        old = self._attendances.get(room_id)
        attendance = Attendance(dict(found.online), found.count, time.monotonic())
        for change in self._reading.pop(room_id, ()):
            _apply(attendance, change)
        self._attendances[room_id] = attendance
        if tells and old is not None and max(old.count, attendance.count) <= self.limit:
            self._tell_difference(room_id, old.online, attendance.online)

    def expire(self) -> list[str]:
        """Let no attendance pass for fresh; return the rooms that have listeners."""
        for attendance in self._attendances.values():
            attendance.read_s = float("-inf")
        self.drop_closed()
        return list(self._attendances)

    def drop_closed(self) -> None:
        """Forget the attendances of rooms that nobody here is in."""
        self._attendances = {
            room_id: attendance
            for room_id, attendance in self._attendances.items()
            if (room := self._hub.rooms.get(room_id)) is not None and not room.is_empty
        }

    def take(self, change: StatusChange) -> None:
        """Tell a change that was published."""
        if self._is_overtaken(change):
            return
        told: list[Room] = []
        for room_id in change.rooms:
            if room_id in self._reading:
                self._reading[room_id].append(change)
            room = self._hub.rooms.get(room_id)
            if room is None:
                continue
            attendance = self._attendances.get(room_id)
            # Who left the room and then goes offline is not in the attendance, and was told of as online there.
            is_news = attendance is None or _apply(attendance, change) or change.kind == "offline"
            if is_news and (attendance is None or attendance.count <= self.limit):
                told.append(room)
        if told:
            self._tell(change, told)

    def _is_overtaken(self, change: StatusChange) -> bool:
        """Tell whether a newer change of another kind came first: servers publish after they decide."""
        newest = self._newest.pop(change.user_id, None)
        is_late = (
            newest is not None
            and newest.at_us > change.at_us
            and ((newest.kind == "offline") != (change.kind == "offline"))
        )
        self._newest[change.user_id] = newest if is_late and newest is not None else change
        if len(self._newest) > ORDER_LIMIT:
            del self._newest[next(iter(self._newest))]
        return is_late

    def _tell(self, change: StatusChange, rooms: list[Room]) -> None:
        """Tell everyone in the rooms but the user; whoever shares several of them is told once, of all of those."""
        if len(rooms) == 1:
            room = rooms[0]
            self._send(change, (room.room_id,), room.listeners)
            return
        shared: dict[Listener, list[str]] = {}
        for room in rooms:
            for listener in room.listeners:
                shared.setdefault(listener, []).append(room.room_id)
        groups: dict[tuple[str, ...], list[Listener]] = {}
        for listener, room_ids in shared.items():
            groups.setdefault(tuple(room_ids), []).append(listener)
        for group, listeners in groups.items():
            self._send(change, group, listeners)

    def _send(self, change: StatusChange, room_ids: tuple[str, ...], listeners: Iterable[Listener]) -> None:
        writers = [each.writer for each in listeners if each.user_id != change.user_id]
        if writers:
            self._fanout(writers, self._framing(status_frame(change, room_ids)))

    def _tell_difference(self, room_id: str, before: dict[str, str], after: dict[str, str]) -> None:
        room, now = self._hub.rooms.get(room_id), now_ms()
        if room is None:
            return
        for user_id in after.keys() - before.keys():
            self._tell(StatusChange("online", user_id, now * 1000, rfc3339(now), after[user_id], [room_id]), [room])
        for user_id in before.keys() - after.keys():
            self._tell(StatusChange("offline", user_id, now * 1000, rfc3339(now), "", [room_id]), [room])


def _apply(attendance: Attendance, change: StatusChange) -> bool:
    """Bring a attendance up to date; return whether that changed anything."""
    if change.kind == "online":
        if change.user_id in attendance.online:
            return False
        attendance.online[change.user_id] = change.name
        attendance.count += 1
        return True
    is_whole = attendance.count <= len(attendance.online)
    is_known = attendance.online.pop(change.user_id, None) is not None
    attendance.count -= is_known or not is_whole
    return is_known
