"""Presence in a server process: connections are noted as they come and go, and one greenlet tells Redis.

Neither connecting nor leaving waits for it, and Redis being away only delays it. A join waits for who is online in
its rooms where this process does not know that already; all that are asked at a time are read together.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from typing import Any, Protocol

import gevent
from gevent.event import AsyncResult, Event

from chat.broker import keys
from chat.errors import BrokerUnavailable
from chat.gateway.session import Session
from chat.hub import Hub, Statuses
from chat.model.clock import now_ms, rfc3339
from chat.model.presence import RoomPresence, UserPresence, read_changes
from chat.protocol import codec, commands
from chat.services.presence import Presence

READ_TIMEOUT_S = 2.0  # a join is answered without the others rather than later
RETRY_PAUSE_S = 0.5
GATHER_S = 0.002  # between two steps, or as long as the last one took: presence has half of the loop at most
COMPARE_AFTER_S = 8.0  # after Redis was away: by then every server has noticed and told its users anew
COMPARE_CHUNK = 200  # rooms in one reading
log = logging.getLogger(__name__)


class Ear(Protocol):
    """Hears a channel."""

    def listen(self, channel: str, handler: Callable[[bytes], None]) -> None: ...


class PresenceLeases(Protocol):
    """Lets all leases of this server end soon."""

    def shorten(self, user_ids: list[str], lease_s: float) -> None: ...


class PresenceReader(Protocol):
    """Who is online in rooms."""

    def rooms_online(self, room_ids: list[str], limit: int) -> dict[str, RoomPresence]: ...


class LivePresence:
    """The connections of this process, told to everyone who shares a room with them, and the other way round."""

    def __init__(
        self,
        hub: Hub,
        statuses: Statuses,
        presence: Presence,
        leases: PresenceLeases,
        reader: PresenceReader,
        look: Callable[[str, Collection[str], list[str]], dict[str, UserPresence]],
    ) -> None:
        self._hub = hub
        self._statuses = statuses
        self._presence = presence
        self._leases = leases
        self._reader = reader
        self._look = look
        self._wake = Event()
        self._wanted: dict[str, None] = {}
        self._answer: AsyncResult | None = None  # of the reading that takes what is wanted now
        self._is_leaving = False

    def start(self, ear: Ear) -> None:
        """Begin to tell and to hear."""
        gevent.spawn(self._listen, ear)
        gevent.spawn(self._run)

    def leave(self, within_s: float) -> None:
        """Stop telling: everyone here may be elsewhere within this time, and is offline to a sweep otherwise."""
        self._is_leaving = True
        try:
            self._leases.shorten(self._presence.users, within_s)
        except BrokerUnavailable:
            log.info("leases-not-shortened", extra={"action": "they end by themselves"})

    def connected(self, session: Session) -> None:
        """Note a connection."""
        self._presence.connected(session.user_id, session.identity.name, session.connection.connection_id)
        self._wake.set()

    def closed(self, session: Session) -> None:
        """Note that a connection ended."""
        self._presence.closed(session.user_id, session.connection.connection_id, time.monotonic())
        self._wake.set()

    def joined(self, session: Session, room_ids: list[str]) -> dict[str, dict[str, Any]]:
        """Note rooms that a connection joined; return who is online in each, as the ack tells it."""
        self._presence.joined(session.user_id, room_ids)
        self._wake.set()
        unknown = [room_id for room_id in room_ids if self._statuses.fresh(room_id) is None]
        if unknown:
            self._read(unknown)
        return {room_id: self._attendance_told(session, room_id) for room_id in room_ids}

    def left(self, session: Session, room_id: str) -> None:
        """Note that a connection left a room on purpose."""
        others = self._hub.users.get(session.user_id, ())
        if not any(isinstance(each, Session) and room_id in each.rooms for each in others if each is not session):
            self._presence.left(session.user_id, room_id)
            self._wake.set()

    def removed(self, user_id: str, room_id: str) -> None:
        """Note that a user is no member of a room any more."""
        self._presence.removed(user_id, room_id)
        self._wake.set()

    def beat(self, session: Session) -> None:
        """Note a heartbeat of a client."""
        self._presence.beat(session.user_id, time.monotonic())
        self._wake.set()

    def look(self, user_id: str, room_ids: Collection[str], asked: list[str]) -> dict[str, Any]:
        """Return what a user may know of others, as `get-presence` tells it; raises ChatError.

        Redis is asked for those only who are not known to be online in a room that the asker has joined here.
        """
        here, stale = self._statuses.online_among(room_ids, asked)
        found = self._look(user_id, room_ids, [each for each in asked if each not in here])
        if stale:
            self._want(stale)
        now = rfc3339(now_ms())
        known = dict.fromkeys(here, UserPresence(is_online=True, last_seen=now)) | found
        return {"users": {each: _told(known[each]) for each in asked}}

    def look_at_once(self, session: Session, command: commands.GetPresence) -> bool:
        """Answer `get-presence` where nobody has to be asked; False where somebody has."""
        asked = command.data.users
        here, _ = self._statuses.online_among(session.rooms, asked)
        if len(here) < len(set(asked)):
            return False
        if command.ack is not None:
            told = _told(UserPresence(is_online=True, last_seen=rfc3339(now_ms())))
            session.tell(codec.ack_frame(command.ack, {"users": dict.fromkeys(asked, told)}))
        return True

    def hear(self, payload: bytes) -> None:
        """Take what was published."""
        for change in read_changes(payload):
            self._statuses.take(change)
            if change.kind == "offline" and self._hub.has_user(change.user_id):
                # Another server's sweep, or its last connection, crossed with ours: the public keys are gone.
                self._presence.renew(change.user_id)
                self._wake.set()

    def heard_again(self, channel: str) -> None:
        """Find out what was missed while Redis was away, once all servers had time to tell their users anew."""
        if channel == keys.PRESENCE_CHANNEL:
            for user_id in self._presence.users:
                self._presence.renew(user_id)
            self._wake.set()
            gevent.spawn_later(COMPARE_AFTER_S, self._compare)

    def _listen(self, ear: Ear) -> None:
        try:
            ear.listen(keys.PRESENCE_CHANNEL, self.hear)
        except BrokerUnavailable:
            log.warning("presence-channel-not-heard-yet", extra={"action": "subscribe on reconnect"})

    def _run(self) -> None:
        while True:
            self._wake.wait(self._presence.due_in_s(time.monotonic()))
            self._wake.clear()
            now_s = time.monotonic()
            if self._is_leaving:
                return
            if self._presence.due_in_s(now_s) > 0:
                continue
            try:
                self._presence.step(now_s)
                gevent.sleep(max(GATHER_S, time.monotonic() - now_s))
            except BrokerUnavailable as exc:
                log.debug("presence-not-told", extra={"error": str(exc), "action": "try again"})
                gevent.sleep(RETRY_PAUSE_S)
            except Exception:
                # One surprise must not end presence for everybody here.
                log.exception("presence-step-failed", extra={"action": "go on"})
                gevent.sleep(RETRY_PAUSE_S)

    def _read(self, room_ids: list[str]) -> None:
        """Wait until attendances were read; those of many callers come with one reading."""
        self._want(room_ids).wait(READ_TIMEOUT_S)

    def _want(self, room_ids: list[str]) -> AsyncResult:
        """Have attendances read; return what is set then."""
        self._wanted.update(dict.fromkeys(room_ids))
        if self._answer is None:
            self._answer = AsyncResult()
            gevent.spawn(self._read_wanted)
        return self._answer

    def _read_wanted(self) -> None:
        gevent.sleep(0)  # others of this turn come along
        answer, self._answer = self._answer, None
        wanted, self._wanted = list(self._wanted), {}
        self._read_now(wanted)
        if answer is not None:
            answer.set()

    def _read_now(self, room_ids: list[str], *, tells: bool = False) -> None:
        self._statuses.begin_reading(room_ids)
        try:
            for room_id, found in self._reader.rooms_online(room_ids, self._statuses.limit).items():
                self._statuses.put(room_id, found, tells=tells)
        except BrokerUnavailable as exc:
            log.debug("attendances-not-read", extra={"error": str(exc)})
        finally:
            self._statuses.abandon(room_ids)

    def _compare(self) -> None:
        rooms = self._statuses.expire()
        for start in range(0, len(rooms), COMPARE_CHUNK):
            self._read_now(rooms[start : start + COMPARE_CHUNK], tells=True)

    def _attendance_told(self, session: Session, room_id: str) -> dict[str, Any]:
        attendance = self._statuses.known(room_id)
        online = {session.user_id: session.identity.name} | (attendance.online if attendance else {})
        shown = dict(list(online.items())[: self._statuses.limit])
        count = max(len(online), attendance.count if attendance else 0)
        return {"online": list(shown), "online_names": shown, "online_count": count}


def _told(found: UserPresence) -> dict[str, Any]:
    return {"isOnline": found.is_online, "lastSeen": found.last_seen}
