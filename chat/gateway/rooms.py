"""Local rooms: opened for their first member, kept in step with their logs, closed after their last.

A room here is served up to an offset of an epoch. Publications that do not follow on are held while the missing
ones are read from the log; when the log can't tell any more, its members are asked to come back and resume.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any

import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from chat.broker import keys
from chat.broker.base import LogRead, RoomLog
from chat.errors import BrokerUnavailable, ChatError
from chat.gateway.latency import Latency
from chat.gateway.relay import Relay
from chat.hub import Applied, Hub, Room
from chat.model.publication import Confirmed, Passing, RoomEvents, read_room

CHECK_EVERY_S = 5.0  # pub/sub can lose silently, so positions are compared with Redis now and then
CHECK_CHUNK = 200  # rooms in one round trip
KEEP_EMPTY_S = 10.0  # a room that everybody left is still followed, because people come back
SYNC_GREENLETS = 16
RETRY_PAUSE_S = 0.3
log = logging.getLogger(__name__)


class LocalRooms:
    """The rooms of this process.

    `locate(room)` returns where a room's log stands, warming it when Redis knows nothing of it;
    `on_unresumable(room)` is called when members have missed what can't be replayed.
    """

    def __init__(
        self,
        hub: Hub,
        room_log: RoomLog,
        locate: Callable[[str], LogRead],
        on_unresumable: Callable[[Room], None],
        on_synced: Callable[[], None],
    ) -> None:
        self._hub = hub
        self._log = room_log
        self._locate = locate
        self._on_unresumable = on_unresumable
        self._on_synced = on_synced
        self._opening: dict[str, Event] = {}
        self._gate = BoundedSemaphore(SYNC_GREENLETS)
        self._relay: Any = None
        self.shown_latency = Latency()
        self.confirmed_latency = Latency()

    def start(self, relay: Relay) -> None:
        """Begin to follow rooms through a relay."""
        self._relay = relay
        gevent.spawn(self._keep_checking)

    def open(self, room_id: str) -> Room:
        """Return the room, subscribed and with a known position; raises ChatError when that can't be had."""
        while (opening := self._opening.get(room_id)) is not None:
            opening.wait()
        room = self._hub.rooms.get(room_id)
        if room is not None and room.is_ready:
            room.empty_since = None
            return room
        done = self._opening[room_id] = Event()
        try:
            return self._open(room_id)
        finally:
            del self._opening[room_id]
            done.set()

    def flush(self, room: Room) -> None:
        """Hand over what the room's present members still have to get this turn."""
        self._hub.flush_room(room)

    def advance(self, room: Room, found: Iterable[RoomEvents]) -> None:
        """Serve the room's members what was read from its log before it came by here."""
        for events in found:
            self._hub.apply(room, events)

    def replayed(self, events: RoomEvents, seqs: Collection[int]) -> None:
        """Note messages that were replayed to a member and still wait to be stored."""
        self._hub.unconfirmed.replayed(events, seqs)

    def connection_lost(self) -> None:
        """Hold every room until what it misses meanwhile was read."""
        for room in self._hub.rooms.values():
            if room.is_ready:
                room.is_syncing = room.is_doubtful = True

    def subscribed_again(self, channel: str) -> None:
        """Read what a room missed while its channel was not subscribed."""
        room = self._hub.rooms.get(channel.rsplit(":", 1)[-1])
        if room is not None and room.is_ready and keys.room_channel(room.room_id) == channel:
            room.is_syncing = True
            gevent.spawn(self._sync, room)

    def close_empty(self) -> None:
        """Stop following rooms and users that nobody here has been in for a while."""
        now = time.monotonic()
        gone = []
        for room in list(self._hub.rooms.values()):
            if not room.is_empty or room.room_id in self._opening:
                room.empty_since = None
            elif room.empty_since is None:
                room.empty_since = now
            elif now - room.empty_since > KEEP_EMPTY_S:
                del self._hub.rooms[room.room_id]
                gone.append(keys.room_channel(room.room_id))
        for user_id in [user_id for user_id, listeners in self._hub.users.items() if not listeners]:
            del self._hub.users[user_id]
            gone.append(keys.user_channel(user_id))
        if gone:
            self._relay.forget(gone)

    def _open(self, room_id: str) -> Room:
        room = self._hub.rooms.get(room_id) or Room(room_id)
        self._hub.rooms[room_id] = room
        try:
            self._relay.listen(keys.room_channel(room_id), lambda payload: self._take(room, payload))
            at = self._locate(room_id)
        except ChatError:
            if room.is_empty:
                self._hub.rooms.pop(room_id, None)
                self._relay.forget([keys.room_channel(room_id)])
            raise
        room.epoch, room.offset, room.last_seq = at.epoch, at.offset, at.seq
        room.is_ready = True
        self._release(room)
        return room

    def _take(self, room: Room, payload: bytes) -> None:
        publication = read_room(room.room_id, payload)
        if isinstance(publication, Passing):
            self._hub.pass_on(room, publication)
        elif room.is_syncing:
            room.held.append(publication)
        else:
            self._apply(room, publication)

    def _apply(self, room: Room, publication: RoomEvents | Confirmed) -> None:
        if isinstance(publication, Confirmed):
            told = self._hub.confirm(room, publication)
            if told:
                self.confirmed_latency.since_ms(told[-1].accepted_ms)
            return
        if self._hub.apply(room, publication) is Applied.DELIVERED:
            if publication.kind == "new":
                self.shown_latency.since_ms(publication.origins[-1].accepted_ms)
            return
        room.is_syncing = True
        room.held.append(publication)
        gevent.spawn(self._sync, room)

    def _release(self, room: Room) -> None:
        """Go on with what was held; a publication that still does not follow on starts the next sync."""
        room.is_syncing = False
        held, room.held = room.held, []
        for position, publication in enumerate(held):
            if room.is_syncing:
                room.held += held[position:]
                break
            self._apply(room, publication)
        self._hub.flush()

    def _sync(self, room: Room) -> None:
        """Read from the log what the room's members have missed, and go on from there."""
        while self._hub.rooms.get(room.room_id) is room and self._relay.is_connected:
            held = len(room.held)
            try:
                with self._gate:
                    self._catch_up(room, self._log.read(room.room_id, room.epoch, room.offset))
            except BrokerUnavailable:
                gevent.sleep(RETRY_PAUSE_S)
                continue
            # Events held before the read are in the log, or their log is gone: those that still do not follow
            # on never will, and would ask for one sync after the other.
            passed = room.held[:held]
            room.held[:held] = [each for each in passed if isinstance(each, Confirmed)]
            if any(isinstance(each, RoomEvents) and each.epoch != room.epoch for each in passed):
                # Redis lost its log before it could be read: nobody here was shown these, and no log brings them.
                self._send_away(room, "overtaken")
            self._release(room)
            self._on_synced()
            return

    def _catch_up(self, room: Room, read: LogRead) -> None:
        if read.status == "foreign" and not room.is_doubtful:
            # Redis lost the room and nothing passed unseen: the new epoch follows on from its beginning.
            read = self._log.read(room.room_id, read.epoch, 0)
            if read.status == "complete":
                room.epoch, room.offset = read.epoch, 0
        if read.status == "complete":
            room.is_doubtful = False
            missed = [
                each for event in read.events if isinstance(each := read_room(room.room_id, event), RoomEvents)
            ]
            # Who was cut off meanwhile gets nothing of what they missed, not even what was before it: their
            # removal may have been answered long ago.
            for events in missed:
                self._hub.tell(self._hub.cut(room, events.cut), events.frames[0])
            for events in missed:
                self._hub.apply(room, events)
        elif read.status != "cold":  # a cold room has had no event since; its next one shows the new epoch
            room.epoch, room.offset, room.last_seq = read.epoch, read.offset, read.seq
            room.is_doubtful = False
            self._send_away(room, read.status)

    def _send_away(self, room: Room, status: str) -> None:
        log.warning("room-not-resumable", extra={"room": room.room_id, "status": status})
        self._hub.flush_room(room)
        self._on_unresumable(room)

    def _keep_checking(self) -> None:
        while True:
            gevent.sleep(CHECK_EVERY_S * random.uniform(0.8, 1.2))  # so that servers do not ask in step
            try:
                self.close_empty()
                self.check_positions()
            except Exception:
                # One surprise must not end the checking of all rooms for good.
                log.exception("position-check-failed", extra={"action": "go on"})

    def check_positions(self) -> None:
        """Compare every room with Redis, and catch up with those that are behind."""
        rooms = [room for room in self._hub.rooms.values() if room.is_ready and not room.is_syncing]
        for start in range(0, len(rooms), CHECK_CHUNK):
            self._check(rooms[start : start + CHECK_CHUNK])

    def _check(self, rooms: list[Room]) -> None:
        before = {room: (room.epoch, room.offset) for room in rooms}
        try:
            positions = self._log.positions([room.room_id for room in rooms])
        except BrokerUnavailable:
            return
        for room, (epoch, offset) in zip(rooms, positions, strict=True):
            is_behind = bool(epoch) and (epoch, offset) != before[room] and not room.is_syncing
            if is_behind and (epoch != room.epoch or offset > room.offset):
                # Perhaps it is only on its way: reading the log is harmless then, what came is skipped.
                room.is_syncing = True
                gevent.spawn(self._sync, room)
