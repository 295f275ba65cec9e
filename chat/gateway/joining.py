"""After a join the connection hears the room from an exact offset on, with nothing missed and nothing twice.

While a replay is read from the log, what is delivered meanwhile is kept for the joiner; then the log's events,
the kept ones behind them, and live delivery follow on from one another.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from chat.broker.base import LogRead, RoomLog
from chat.gateway.rooms import LocalRooms
from chat.gateway.session import Session
from chat.hub import Room
from chat.model.events import new_frame_made_durable
from chat.model.publication import RoomEvents, read_room
from chat.protocol.codec import Position
from chat.protocol.frames import text_frame


@dataclass(frozen=True, slots=True)
class Joined:
    """Where a connection stands in a room it joined."""

    epoch: str
    offset: int
    last_seq: int
    recovered: bool

    def result(self) -> dict[str, Any]:
        """Return it as the ack tells it."""
        return {
            "epoch": self.epoch,
            "offset": self.offset,
            "last_seq": self.last_seq,
            "recovered": self.recovered,
        }


class Joining:
    """Lets connections into local rooms."""

    def __init__(self, rooms: LocalRooms, log: RoomLog) -> None:
        self._rooms = rooms
        self._log = log

    def join(self, session: Session, room_id: str, since: Position | None) -> Joined:
        """Subscribe a connection whose membership was checked; with `since` it gets what it missed first.

        Raises: ChatError when the room can't be opened or read; then it is not subscribed.
        """
        room = self._rooms.open(room_id)
        if since is None:
            if session not in room.listeners:
                self._attach(session, room)
            return Joined(room.epoch, room.offset, room.last_seq, recovered=False)
        room.remove(session)
        kept: list[tuple[int, bytes]] = []
        room.joining[session] = kept
        try:
            # A client may have seen more elsewhere than came by here so far.
            read = self._log.read(room_id, since.epoch, min(since.offset, room.offset))
        except BaseException:
            self.leave(session, room)
            raise
        room.joining.pop(session, None)
        is_reached = read.status == "complete" and since.offset <= read.offset
        is_recovered = is_reached and read.epoch == room.epoch
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
        return Joined(room.epoch, room.offset, room.last_seq, is_recovered)

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
