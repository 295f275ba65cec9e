"""After a `chat-typing` came through here the others in the room are told within the second, and told of its end.

Those who are connected here are told at once, those on other servers through Redis, for which nobody waits: what
the connections say is gathered, and one greenlet tells it in one round trip. A user is told of once a second and
room at most; an end is told at once. Whoever falls silent is ended by every server for itself, with one timer for
all of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from time import monotonic

import gevent
from gevent.event import Event
from msgspec import Struct

from chat.broker.typing import TypingChange
from chat.errors import BrokerUnavailable
from chat.gateway.session import Session
from chat.hub import Hub
from chat.hub.typing import TYPING_S, Typist
from chat.model.clock import now_ms
from chat.model.events import typing_frame
from chat.protocol import codec, commands
from chat.services.membership import Membership

EVERY_S = 1.0  # a user's typing in one room is told so often
TICK_S = 0.2
log = logging.getLogger(__name__)


class _Typing(Struct):
    """What one user does in one room, as this server's connections say it."""

    session: Session  # the one that said it last
    told_at: float
    said_at: float
    is_told: bool = False  # the room believes that the user types
    is_wanted: bool = False  # and it is true


class Typing:
    """Takes `chat-typing` of members; `tell` may block and fail, and is called by one greenlet."""

    def __init__(self, hub: Hub, membership: Membership, tell: Callable[[Iterable[TypingChange]], None]) -> None:
        self._hub = hub
        self._membership = membership
        self._tell = tell
        self._typing: dict[tuple[str, str], _Typing] = {}  # (user, room)
        self._rooms: dict[Session, set[str]] = {}
        self._waiting: dict[tuple[str, str], TypingChange] = {}
        self._due = Event()

    def start(self) -> None:
        """Begin to tell, and to end what nobody renews."""
        gevent.spawn(self._run)

    def act(self, session: Session, command: commands.Typing) -> bool:
        """Take a command of somebody who is known to be a member; False when that has to be looked up."""
        room_id, is_on = command.data.room, command.data.is_on
        if not self._membership.is_known(room_id, session.user_id):
            return False
        self._take(session, room_id, is_on=is_on)
        if command.ack is not None:
            session.tell(codec.ack_frame(command.ack, {}))
        return True

    def act_slowly(self, session: Session, command: commands.Typing) -> dict[str, object]:
        """Take a command; raises NotAMember, RoomNotFound or what the store raises."""
        room_id, is_on = command.data.room, command.data.is_on
        self._membership.require(room_id, session.user_id, is_guest=session.identity.is_guest)
        self._take(session, room_id, is_on=is_on)
        return {}

    def stop(self, session: Session, room_id: str) -> None:
        """End what the user types in a room: a message was sent, or the room was left."""
        place = session.user_id, room_id
        known = self._typing.get(place)
        if known is not None:
            self._end(place, known)
        elif self._hub.typists and self._hub.typists.has(room_id, session.user_id):
            self._say(place, session, is_typing=False)  # said through another server

    def gone(self, session: Session) -> None:
        """End what a connection that is closed has typed."""
        for room_id in self._rooms.pop(session, ()):
            known = self._typing.get((session.user_id, room_id))
            if known is not None and known.session is session:
                self._end((session.user_id, room_id), known)

    def tick(self, now: float) -> None:
        """Tell what had to wait for its second, and forget and end what was not renewed."""
        self._hub.end_typing(self._hub.typists.expired(now))
        for place, known in list(self._typing.items()):
            if now - known.said_at >= TYPING_S:  # the room's servers and Redis forget it by themselves
                known.is_wanted = known.is_told = False
            if known.is_wanted and not known.is_told and now - known.told_at >= EVERY_S:
                self._begin(place, known, now)
            if not known.is_wanted and not known.is_told and now - known.told_at >= EVERY_S:
                self._forget(place, known)

    def _take(self, session: Session, room_id: str, *, is_on: bool) -> None:
        if not is_on:
            self.stop(session, room_id)
            return
        if session.is_closed:  # while its membership was looked up
            return
        place, now = (session.user_id, room_id), monotonic()
        known = self._typing.get(place)
        if known is None:
            known = self._typing[place] = _Typing(session, told_at=now - EVERY_S, said_at=now)
        known.session, known.said_at, known.is_wanted = session, now, True
        self._rooms.setdefault(session, set()).add(room_id)
        if now - known.told_at >= EVERY_S:
            self._begin(place, known, now)

    def _begin(self, place: tuple[str, str], known: _Typing, now: float) -> None:
        known.told_at, known.is_told = now, True
        self._say(place, known.session, is_typing=True)

    def _end(self, place: tuple[str, str], known: _Typing) -> None:
        known.is_wanted = False
        if known.is_told:
            known.is_told = False
            self._say(place, known.session, is_typing=False)

    def _say(self, place: tuple[str, str], session: Session, *, is_typing: bool) -> None:
        user_id, room_id = place
        frame = typing_frame(room_id, user_id, session.identity.name, now_ms(), is_typing=is_typing)
        self._hub.hear_typing(Typist(room_id, user_id, frame), is_on=is_typing)
        self._waiting[place] = TypingChange(room_id, user_id, is_typing, frame)
        self._due.set()

    def _forget(self, place: tuple[str, str], known: _Typing) -> None:
        del self._typing[place]
        rooms = self._rooms.get(known.session)
        if rooms is not None:
            rooms.discard(place[1])
            if not rooms:
                del self._rooms[known.session]

    def _run(self) -> None:
        ticked_at = 0.0
        while True:
            self._due.wait(TICK_S)
            self._due.clear()
            now = monotonic()
            try:
                if now - ticked_at >= TICK_S:
                    ticked_at = now
                    self.tick(now)
                self.flush()
            except Exception:
                log.exception("typing-failed", extra={"action": "go on"})

    def flush(self) -> None:
        """Tell what was said since; what Redis does not take is not said again."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, {}
        try:
            self._tell(waiting.values())
        except BrokerUnavailable as exc:
            log.debug("typing-not-told", extra={"error": str(exc)})
