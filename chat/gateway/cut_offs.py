"""When a removal is answered, no server sends its user anything of the room, and none takes anything of him.

Every server hears of changes of members on one channel, in the order in which it hears the rooms themselves. It
forgets the membership, takes the user's connections out of the room, lets messages of his that are on their way
come to their end, and then acknowledges. The one that was asked waits for all of them. A server that does not
answer within `WAIT_S` has noticed by then that its link to Redis is lost: it believes no membership that it has in
memory, and when the link is back it reads the removal in the room's log, and obeys before it delivers the rest.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import gevent
from gevent.event import Event

from chat.broker import keys
from chat.broker.base import Appended
from chat.errors import BrokerUnavailable, NotAMember
from chat.gateway.relay import SILENCE_S
from chat.hub import Hub
from chat.model.publication import EVERYBODY, NOBODY, MembersChange, read_members_change
from chat.services.membership import Membership

WAIT_S = SILENCE_S + 1.0
REMEMBER_S = 60.0  # longer than a join may take between the check and the attaching
REMEMBER_LIMIT = 10_000  # removals whose acknowledgements are counted at once
UNLISTED_WAIT_S = 0.5  # for one that hears but is not listed: a server with another clock, or an operator's eye
POLL_S = 0.002
log = logging.getLogger(__name__)


class Ear(Protocol):
    """The relay, as far as it is needed here."""

    def listen(self, channel: str, handler: Any) -> None: ...


@dataclass(slots=True)
class _Obeyed:
    servers: set[str] = field(default_factory=set)
    news: Event = field(default_factory=Event)


class CutOffs:
    """This server's side of it, and the waiting for the others.

    `is_sending(room, whom)` tells of messages on their way; `live_nodes()` names the servers there are;
    `heard_until()` says until when (monotonic) this one is among them and would hear; `on_removed(user, room)`
    is called on the server that was asked.
    """

    def __init__(
        self,
        node_id: str,
        hub: Hub,
        membership: Membership,
        is_sending: Callable[[str, str], bool],
        publish: Callable[[str, bytes], Any],
        live_nodes: Callable[[], Iterable[str]],
        heard_until: Callable[[], float],
        on_removed: Callable[[str, str], object] = lambda _user_id, _room_id: None,
    ) -> None:
        self._node_id = node_id
        self._hub = hub
        self._membership = membership
        self._is_sending = is_sending
        self._publish = publish
        self._live_nodes = live_nodes
        self._heard_until = heard_until
        self._on_removed = on_removed
        self._obeyed: dict[str, _Obeyed] = {}  # by token
        self._recent: dict[tuple[str, str], float] = {}
        self._lost_at = 0.0  # monotonic; when this server last did not hear

    def start(self, ear: Ear) -> None:
        """Begin to hear."""
        gevent.spawn(self._listen, ear)

    def renew_trust(self) -> None:
        """Believe what is in memory for a while longer, because all that was published so far was heard."""
        self._membership.trusted_until = self._heard_until()

    def connection_lost(self) -> None:
        """Believe nothing that is in memory: the end of a membership may pass unheard."""
        self._lost_at = time.monotonic()
        self._membership.trusted_until = 0.0
        self._membership.forget_all()

    def require_still_in(self, room_id: str, user_id: str, checked_at: float) -> None:
        """Return when nothing ended a membership that was checked at `checked_at`.

        Raises: NotAMember; BrokerUnavailable when it can't be told.
        """
        if self._lost_at >= checked_at:
            raise BrokerUnavailable("join")
        for whom in (user_id, EVERYBODY):
            if self._recent.get((room_id, whom), -1.0) >= checked_at:
                raise NotAMember(f"you are not a member of {room_id} any more", field="roomId")

    def hear(self, payload: bytes) -> None:
        """Obey a change of members and tell those whom it concerns here."""
        change = read_members_change(payload)
        if change is None:
            return
        gone = set(self._cut(change)) if change.cut != NOBODY else set()
        others = [
            each
            for user_id in change.users
            for each in self._hub.users.get(user_id, ())
            if change.room_id not in each.rooms and each not in gone
        ]
        self._hub.tell([*gone, *others], change.frame)
        if change.asked_by == self._node_id and change.cut not in (NOBODY, EVERYBODY):
            self._on_removed(change.cut, change.room_id)  # also somebody who had joined it on no server
        if change.asked_by != "-":
            gevent.spawn(self._acknowledge, change)

    def hear_own(self, payload: bytes) -> None:
        """Take an acknowledgement; this server's heartbeat comes here too."""
        match payload.decode(errors="replace").split(" "):
            case ["obeyed", token, node_id]:
                obeyed = self._answers_to(token)
                obeyed.servers.add(node_id)
                obeyed.news.set()

    def wait(self, appended: Appended) -> None:
        """Return when every server has obeyed, or can't hear and knows it; raises BrokerUnavailable."""
        obeyed = self._answers_to(appended.token)
        expected = set(self._live_nodes())
        try:
            self._await(obeyed, lambda: expected <= obeyed.servers, WAIT_S)
            if silent := expected - obeyed.servers:
                log.warning("cut-off-not-acknowledged", extra={"servers": sorted(silent), "action": "go on"})
            else:
                self._await(obeyed, lambda: len(obeyed.servers) >= appended.receivers, UNLISTED_WAIT_S)
        finally:
            self._obeyed.pop(appended.token, None)

    def _await(self, obeyed: _Obeyed, is_enough: Callable[[], bool], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not is_enough() and (left_s := deadline - time.monotonic()) > 0:
            obeyed.news.wait(left_s)
            obeyed.news.clear()

    def _answers_to(self, token: str) -> _Obeyed:
        """Return the answers, which may come before anybody waits for them, or after."""
        if token not in self._obeyed and len(self._obeyed) >= REMEMBER_LIMIT:
            del self._obeyed[next(iter(self._obeyed))]
        return self._obeyed.setdefault(token, _Obeyed())

    def _cut(self, change: MembersChange) -> list[Any]:
        now = time.monotonic()
        self._membership.forget(change.room_id, change.cut)
        self._recent = {place: at for place, at in self._recent.items() if at > now - REMEMBER_S}
        self._recent[change.room_id, change.cut] = now
        room = self._hub.rooms.get(change.room_id)
        return self._hub.cut(room, change.cut) if room is not None else []

    def _acknowledge(self, change: MembersChange) -> None:
        deadline = time.monotonic() + WAIT_S
        while self._is_sending(change.room_id, change.cut) and time.monotonic() < deadline:
            gevent.sleep(POLL_S)
        try:
            self._publish(keys.node_channel(change.asked_by), f"obeyed {change.token} {self._node_id}".encode())
        except BrokerUnavailable as exc:
            log.warning("cut-off-acknowledgement-lost", extra={"error": str(exc)})

    def _listen(self, ear: Ear) -> None:
        for channel, handler in (
            (keys.node_channel(self._node_id), self.hear_own),
            (keys.MEMBERS_CHANNEL, self.hear),
        ):
            try:
                ear.listen(channel, handler)
            except BrokerUnavailable:
                log.warning("channel-not-heard-yet", extra={"channel": channel, "action": "subscribe on reconnect"})
