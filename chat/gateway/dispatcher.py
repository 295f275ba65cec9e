"""Each frame of a client is acted on in the order it came, the quick ones at once and in the hub.

A send by a known member, a heartbeat and a leave need no waiting. Anything else runs in a greenlet, and what the
client sends meanwhile waits behind it, up to a bound past which the client is not read.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import gevent
import msgspec

from chat.errors import ChatError, InvalidRequest, LimitReached
from chat.gateway.connection import Connection
from chat.gateway.joining import Joined, Joining
from chat.gateway.presence import LivePresence
from chat.gateway.rate import JoinRate
from chat.gateway.sending import Sending
from chat.gateway.session import INBOX_LIMIT, Session
from chat.hub import Hub
from chat.model.clock import now_ms, rfc3339
from chat.model.ids import MessageRef
from chat.protocol import codec, commands
from chat.protocol.fields import Position
from chat.services.amending import Amending, ref_of
from chat.services.fates import Fates
from chat.services.history import History, Page
from chat.services.membership import Membership

log = logging.getLogger(__name__)


def no_refresh(_session: Session, _token: str) -> dict[str, Any]:
    """Stand in where no tokens are taken."""
    raise InvalidRequest("no token is taken here", field="token")


def _unheard(_session: Session, _room_id: str) -> None:
    """Stand in where nobody asks."""


def _unheeded(_user_id: str) -> None:
    """Stand in where nobody reads ahead."""


def _no_standings(_session: Session, _room_ids: Collection[str]) -> dict[str, dict[str, int]]:
    """Stand in where nobody counts."""
    return {}


Standings = Callable[[Session, Collection[str]], dict[str, dict[str, int]]]
Quick = Callable[[Session, Any], bool]  # acts on a command in the hub; False when that needs waiting
Slow = Callable[[Session, Any], Any]  # acts on a command in a greenlet and returns what its ack tells


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Routes commands to services and answers them."""

    hub: Hub
    membership: Membership
    sending: Sending
    joining: Joining
    history: History
    fates: Fates
    rooms_per_socket: int
    join_rate: JoinRate
    presence: LivePresence
    amending: Amending
    refresh: Callable[[Session, str], dict[str, Any]] = no_refresh  # with a fresh token
    quick: Mapping[type, Quick] = field(default_factory=dict)  # commands of other modules
    slow: Mapping[type, Slow] = field(default_factory=dict)
    on_sent: Callable[[Session, str], None] = _unheard  # called with the room
    on_left: Callable[[Session, str], None] = _unheard
    on_joined: Callable[[str], None] = _unheeded  # called with the user
    standings: Standings = _no_standings  # what else the ack of a join tells of each room

    def on_message(self, connection: Connection, payload: bytes) -> None:
        """Take one text message; called in the hub."""
        session: Session = connection.context
        if session.is_busy:
            session.inbox.append(payload)
            if len(session.inbox) >= INBOX_LIMIT:
                connection.pause_reading()
            return
        command = self._decoded(session, payload)
        if command is not None and not self._act_at_once(session, command):
            session.is_busy = True
            gevent.spawn(self._act_in_turn, session, command)

    def on_binary(self, connection: Connection, _payload: bytes) -> None:
        """Refuse a binary message."""
        session: Session = connection.context
        error = InvalidRequest("binary frames are not taken; send JSON as text", field="frame")
        session.refuse(error, None, None)

    def begin(self, session: Session) -> None:
        """Act on what came before the session was welcomed, then on frames as they come."""
        gevent.spawn(self._act_in_turn, session, None)

    def _decoded(self, session: Session, payload: bytes) -> commands.Command | None:
        try:
            return codec.decode(payload)
        except codec.Refused as refused:
            session.refuse(refused.cause, refused.event, refused.ack)
            return None

    def _act_at_once(self, session: Session, command: commands.Command) -> bool:
        """Act on a command that needs no waiting; return False for one that does."""
        try:
            if type(command) is commands.Send:
                is_known = self.membership.is_known(command.data.room, session.user_id)
                if not is_known or self.sending.rate.must_ask(session.user_id):
                    return False
                self._pass_to_sending(session, command)
            elif type(command) is commands.Heartbeat:
                self._beat(session, command)
            elif type(command) is commands.Leave:
                self._leave(session, command)
            else:
                quick = self.quick.get(type(command))
                return quick is not None and quick(session, command)
        except ChatError as exc:
            session.refuse(exc, codec.event_of(command), command.ack)
        return True

    def _act_in_turn(self, session: Session, command: commands.Command | None) -> None:
        """Act on a slow command and then on what came behind it."""
        try:
            while True:
                if command is not None and not self._act_at_once(session, command):
                    self._act_slowly(session, command)
                if not session.inbox:
                    break
                command = self._decoded(session, session.inbox.popleft())
        except Exception:
            log.exception("command-failed", extra={"action": "close the connection"})
            session.close(1011, "internal error")
        finally:
            session.is_busy = False
            session.connection.resume_reading()

    def _act_slowly(self, session: Session, command: commands.Command) -> None:
        try:
            slow = self.slow.get(type(command))
            result = slow(session, command) if slow else _SLOW[type(command)](self, session, command)
        except ChatError as exc:
            session.refuse(exc, codec.event_of(command), command.ack)
            return
        if result is not None and command.ack is not None:
            session.tell(codec.ack_frame(command.ack, result))

    def _send(self, session: Session, command: commands.Send) -> None:
        self.membership.require(
            command.data.room, session.user_id, is_guest=session.identity.is_guest, makes_room=True
        )
        self.sending.rate.ask(session.user_id)
        self._pass_to_sending(session, command)

    def _pass_to_sending(self, session: Session, command: commands.Send) -> None:
        self.sending.send(session, command)
        self.on_sent(session, command.data.room)

    def _authenticate(self, session: Session, command: commands.Authenticate) -> dict[str, Any]:
        return self.refresh(session, command.data.token)

    def _join(self, session: Session, command: commands.Join) -> None:
        room_ids = list(dict.fromkeys(command.data.rooms))
        if len(session.rooms | set(room_ids)) > self.rooms_per_socket:
            raise LimitReached(f"at most {self.rooms_per_socket} rooms a connection; leave some", field="roomIds")
        session.joins_paid_until = self.join_rate.take(session.joins_paid_until, len(room_ids))
        since = command.data.since if isinstance(command.data.since, dict) else {}
        checked_at = time.monotonic()
        for room_id in room_ids:
            self.membership.enter(room_id, session.user_id, is_guest=session.identity.is_guest)
        positions = {room_id: since.get(room_id) for room_id in room_ids}
        is_told = command.ack is not None
        joined, standings = self._join_all(session, positions, checked_at, is_told=is_told)
        there = self.presence.joined(session, room_ids)
        if is_told:
            told = {room: each.result() | standings.get(room, {}) | there[room] for room, each in joined.items()}
            result = {"rooms": told}
            session.tell(codec.ack_frame(command.ack, result))
        if settled := b"".join([each.settled for each in joined.values()]):
            session.connection.send_frame(settled)
        self.on_joined(session.user_id)

    def _join_all(
        self, session: Session, since: dict[str, Position | None], checked_at: float, *, is_told: bool
    ) -> tuple[dict[str, Joined], dict[str, dict[str, int]]]:
        """Join rooms, or none of them: what a failure finds joined for this request is left again."""
        present = set(session.rooms)
        joined: dict[str, Joined] = {}
        try:
            for room_id, position in since.items():
                joined[room_id] = self.joining.join(session, room_id, position, checked_at)
            standings = self.standings(session, list(since)) if is_told else {}
        except ChatError:
            for room_id in joined.keys() - present:
                self.joining.leave(session, self.hub.rooms[room_id])
            raise
        return joined, standings

    def _leave(self, session: Session, command: commands.Leave) -> None:
        left = []
        for room_id in command.data.rooms:
            room = self.hub.rooms.get(room_id)
            if room is not None and room_id in session.rooms:
                self.joining.leave(session, room)
                self.presence.left(session, room_id)
                self.on_left(session, room_id)
                left.append(room_id)
        if command.ack is not None:
            session.tell(codec.ack_frame(command.ack, {"roomIds": left}))

    def _get_messages(self, session: Session, command: commands.GetMessages) -> dict[str, Any]:
        data = command.data
        self._require(session, data.room)
        before = data.before if isinstance(data.before, int) else None
        after = data.after if isinstance(data.after, int) else None
        page = self.history.page(data.room, data.limit, before=before, after=after)
        self._require(session, data.room)  # who was removed while it was read gets nothing more
        return page_result(page)

    def _get_fate(self, session: Session, command: commands.GetFate) -> dict[str, Any]:
        room_id, sent = command.data.room, command.data.sent
        self._require(session, room_id)
        return {"fates": self.fates.of(room_id, session.user_id, sent)}

    def _get_presence(self, session: Session, command: commands.GetPresence) -> dict[str, Any]:
        return self.presence.look(session.user_id, session.rooms, command.data.users)

    def _edit(self, session: Session, command: commands.Edit) -> dict[str, Any]:
        ref = self._ref(session, command.data.message)
        return {"message": msgspec.Raw(self.amending.edit(session.user_id, ref, command.data.content))}

    def _delete(self, session: Session, command: commands.Delete) -> dict[str, Any]:
        self.amending.delete(session.user_id, self._ref(session, command.data.message))
        return {"messageId": command.data.message}

    def _react(self, session: Session, command: commands.React) -> dict[str, Any]:
        data = command.data
        remove = data.remove if isinstance(data.remove, bool) else None
        done = self.amending.react(session.user_id, self._ref(session, data.message), data.emoji, remove)
        return {"action": done.action, "reactions": done.reactions}

    def _ref(self, session: Session, message_id: str) -> MessageRef:
        ref = ref_of(message_id)
        self._require(session, ref.room_id)
        return ref

    def _beat(self, session: Session, command: commands.Heartbeat) -> None:
        self.presence.beat(session)
        told = {"serverTime": rfc3339(now_ms())}
        session.tell(codec.event_frame("heartbeat", told))
        if command.ack is not None:
            session.tell(codec.ack_frame(command.ack, told))

    def _require(self, session: Session, room_id: str) -> None:
        self.membership.require(room_id, session.user_id, is_guest=session.identity.is_guest)


_SLOW: dict[type, Callable[[Dispatcher, Session, Any], Any]] = {
    commands.Authenticate: Dispatcher._authenticate,
    commands.Send: Dispatcher._send,
    commands.Join: Dispatcher._join,
    commands.Edit: Dispatcher._edit,
    commands.Delete: Dispatcher._delete,
    commands.React: Dispatcher._react,
    commands.GetMessages: Dispatcher._get_messages,
    commands.GetFate: Dispatcher._get_fate,
    commands.GetPresence: Dispatcher._get_presence,
}


def page_result(page: Page) -> dict[str, Any]:
    """Return a page as clients get it, the messages not parsed again."""
    return {"messages": [msgspec.Raw(each) for each in page.messages], "has_more": page.has_more}
