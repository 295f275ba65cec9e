"""After a join the connection hears the room from an exact offset on, with nothing missed and nothing twice.

While a replay is read from the log, what is delivered meanwhile is kept for the joiner; then the log's events,
the kept ones behind them, and live delivery follow on from one another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from chat.broker.base import LogRead, RoomLog
from chat.gateway.rooms import LocalRooms
from chat.gateway.session import Session
from chat.hub import Room
from chat.model.clock import now_ms
from chat.model.events import BatchConfirmed, new_frame_made_durable
from chat.model.publication import RoomEvents, read_room
from chat.protocol.fields import Position
from chat.protocol.frames import text_frame

SETTLED_AFTER_S = 900  # older messages were settled before anybody who saw them could leave unsettled
SETTLED_EVENTS = 50  # so many at most wait to be stored when somebody leaves: as many have to be in the log still


@dataclass(frozen=True, slots=True)
class Joined:
    """Where a connection stands in a room it joined."""

    epoch: str
    offset: int
    last_seq: int
    recovered: bool
    settled: bytes = b""  # frames to send behind the answer: confirmations of what was seen before

    def result(self) -> dict[str, Any]:
        """Return it as the ack tells it."""
        return {
            "epoch": self.epoch,
            "offset": self.offset,
            "last_seq": self.last_seq,
            "recovered": self.recovered,
        }


def _trust(_room_id: str, _user_id: str, _checked_at: float) -> None:
    """Stand in where no membership ends."""


class Joining:
    """Lets connections into local rooms.

    `require_still_in(room, user, checked_at)` raises what is to be told when a membership ended after the check.
    """

    def __init__(
        self, rooms: LocalRooms, log: RoomLog, require_still_in: Callable[[str, str, float], None] = _trust
    ) -> None:
        self._rooms = rooms
        self._log = log
        self._require_still_in = require_still_in

    def join(self, session: Session, room_id: str, since: Position | None, checked_at: float = math.inf) -> Joined:
        """Subscribe a connection; with `since` it gets what it missed first.

        Its membership was checked not before `checked_at` (monotonic).
        Raises: ChatError when the room can't be opened or read, or the membership has ended since; then it is
        not subscribed.
        """
        room = self._rooms.open(room_id)
        if since is None:
            self._require_still_in(room_id, session.user_id, checked_at)
            if session not in room.listeners:
                self._attach(session, room)
            return Joined(room.epoch, room.offset, room.last_seq, recovered=False)
        room.remove(session)
        kept: list[tuple[int, bytes]] = []
        room.joining[session] = kept
        try:
            settled = self._settled_meanwhile(session, room_id, since)
            # A client may have seen more elsewhere than came by here so far.
            read = self._log.read(room_id, since.epoch, min(since.offset, room.offset))
            self._require_still_in(room_id, session.user_id, checked_at)
        except BaseException:
            self.leave(session, room)
            raise
        room.joining.pop(session, None)
        is_reached = read.status == "complete" and since.offset <= read.offset
        is_recovered = is_reached and read.epoch == room.epoch and settled is not None
        if is_recovered:
            found = _events(room_id, read)
            self._rooms.advance(room, found)
            frames = _replay(room, found, read.waiting, since.offset)
            frames += [frame for offset, frame in kept if not 0 < offset <= read.offset]
            for events in found:  # its confirmations may be lost too: then they are asked for
                if events.kind == "new":
                    self._rooms.replayed(events, read.waiting)
            if frames:
                session.connection.send_frame(b"".join(frames))
        self._attach(session, room)
        return Joined(room.epoch, room.offset, room.last_seq, is_recovered, settled or b"" if is_recovered else b"")

    def _settled_meanwhile(self, session: Session, room_id: str, since: Position) -> bytes | None:
        """Return `messages-confirmed` for what the client saw before it left and may still show as temporary.

        A confirmation has no offset, so no replay brings it. The client's own messages are left to
        `get-send-fate`, which tells their failures too. None when the log does not reach back to them any more.
        """
        found = [read_room(room_id, event) for event in self._log.newest(room_id, since.offset)]
        oldest_ms = now_ms() - SETTLED_AFTER_S * 1000
        if not _reaches_back(found, since.offset, oldest_ms):
            return None
        shown = [
            origin
            for events in found
            if isinstance(events, RoomEvents) and events.kind == "new" and events.epoch == since.epoch
            for offset, origin in enumerate(events.origins, events.first_offset)
            if offset <= since.offset and origin.accepted_ms > oldest_ms and origin.sender_id != session.user_id
        ]
        if not shown:
            return b""
        fates = self._log.fates(room_id, [(each.sender_id, each.temp_id) for each in shown])
        settled = [
            (each.seq, each.sender_id)
            for each, fate in zip(shown, fates, strict=True)
            if fate.state == "confirmed" and (fate.seq, fate.epoch) == (each.seq, each.epoch)
        ]
        return text_frame(BatchConfirmed(room_id, sorted(settled)).frame()) if settled else b""

    def leave(self, session: Session, room: Room) -> None:
        """Unsubscribe a connection."""
        room.remove(session)
        session.rooms.discard(room.room_id)

    def _attach(self, session: Session, room: Room) -> None:
        if session.is_closed:  # while this greenlet waited: nobody would take it out of the room again
            self.leave(session, room)
            return
        self._rooms.flush(room)  # what waits for this turn's end was delivered before this member came
        room.add(session)
        session.rooms.add(room.room_id)


def _reaches_back(found: Sequence[object], since: int, oldest_ms: int) -> bool:
    """Tell whether the newest events up to `since`, newest first, hold all that may have been unsettled then."""
    events = [each for each in found if isinstance(each, RoomEvents)]
    if not events:
        return since == 0
    oldest = events[-1]
    is_old = any(each.accepted_ms <= oldest_ms for each in oldest.origins if oldest.kind == "new")
    return oldest.first_offset == 1 or is_old or since - oldest.first_offset >= SETTLED_EVENTS


def _replay(room: Room, found: list[RoomEvents], waiting: Collection[int], since: int) -> list[bytes]:
    """Return the log's events after `since` up to where the room was served, as frames to send.

    A message is shown as durable only when it is neither waiting to be stored nor retracted further on.
    """
    retracted = {(each.origins[0].epoch, each.origins[0].seq) for each in found if each.kind == "retracted"}
    frames = []
    for events in found:
        for offset, (origin, frame) in enumerate(
            zip(events.origins, events.frames, strict=True), events.first_offset
        ):
            if since < offset <= room.offset:
                is_settled = origin.seq not in waiting and (origin.epoch, origin.seq) not in retracted
                is_durable = events.kind == "new" and is_settled
                frames.append(text_frame(new_frame_made_durable(frame) if is_durable else frame))
    return frames


def _events(room_id: str, read: LogRead) -> list[RoomEvents]:
    publications = (read_room(room_id, event) for event in read.events)
    return [each for each in publications if isinstance(each, RoomEvents)]
