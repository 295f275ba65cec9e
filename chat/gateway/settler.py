"""No ghosts: a message that was shown here and whose end was not heard of is asked for, until it is settled.

Pub/sub can lose a confirmation, and Redis can lose everything. Redis is asked by the message's temp id; where it
knows nothing the store decides: stored means confirmed, and not stored means retracted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import gevent
import msgspec
from gevent.event import Event

from chat.broker.base import Fate, RoomLog
from chat.errors import ChatError
from chat.hub import Hub, Room, Unconfirmed, Waiting
from chat.model.events import confirmed_frame, message_of_new_frame
from chat.model.message import message_key
from chat.protocol import codec
from chat.store.base import Kind, Store

CHECK_EVERY_S = 1.0
OVERDUE_S = 3.0  # a drain confirms in milliseconds, a busy one within its linger
CHUNK = 200  # messages asked for in one script call
GONE_AFTER_S = 8.0  # unknown to Redis and the store for so long: no worker still has it in hand
log = logging.getLogger(__name__)


class _Id(msgspec.Struct):
    id: str


class Lost(ChatError):
    """A message that was shown and that neither Redis nor the store knows any more."""

    code = "lost"
    temporary = True


class Settler:
    """Asks after overdue messages; `wake()` is called when some still wait to be stored."""

    def __init__(
        self, hub: Hub, unconfirmed: Unconfirmed, log_: RoomLog, store: Store, wake: Callable[[], None]
    ) -> None:
        self._hub = hub
        self._unconfirmed = unconfirmed
        self._log = log_
        self._store = store
        self._wake = wake
        self._kicked = Event()

    def start(self) -> None:
        """Begin to look."""
        gevent.spawn(self._run)

    def kick(self) -> None:
        """Look soon, and at everything: confirmations may have passed unseen."""
        self._kicked.set()

    def _run(self) -> None:
        while True:
            was_kicked = self._kicked.wait(CHECK_EVERY_S)
            self._kicked.clear()
            try:
                self.settle_overdue(0.0 if was_kicked else OVERDUE_S)
            except ChatError as exc:
                log.warning("settling-postponed", extra={"error": str(exc)})
                gevent.sleep(CHECK_EVERY_S)
            except Exception:
                log.exception("settling-failed", extra={"action": "go on"})
                gevent.sleep(CHECK_EVERY_S)

    def settle_overdue(self, older_than_s: float) -> None:
        """Ask after what waits longer than that and tell its end where it has one.

        Raises: BrokerUnavailable, StoreUnavailable.
        """
        for room_id, waiting in self._unconfirmed.overdue(older_than_s).items():
            for start in range(0, len(waiting), CHUNK):
                self._settle(room_id, waiting[start : start + CHUNK])

    def _settle(self, room_id: str, waiting: list[Waiting]) -> None:
        fates = self._log.fates(room_id, [(each.sender_id, each.temp_id) for each in waiting])
        unknown = []
        is_any_pending = False
        for each, fate in zip(waiting, fates, strict=True):
            is_same = (fate.seq, fate.epoch) == (each.seq, each.epoch)
            if is_same and fate.state == "pending":
                each.since = time.monotonic()
                is_any_pending = True
            elif is_same and fate.state == "confirmed":
                self._confirm(each)
            elif is_same and fate.state == "failed":
                self._fail(each, fate)
            else:
                unknown.append(each)
        if unknown:
            self._ask_store(unknown)
        if is_any_pending:
            self._wake()

    def _ask_store(self, waiting: list[Waiting]) -> None:
        # Two of them may have one number, of two epochs: at most one of these is in the store.
        found = self._store.get_many(Kind.MESSAGE, [message_key(each.room_id, each.seq) for each in waiting])
        now = time.monotonic()
        for each in waiting:
            document = found.get(message_key(each.room_id, each.seq))
            if document is not None and msgspec.json.decode(document.body, type=_Id).id == each.message_id:
                self._confirm(each)
            elif each.missing_since is None:
                each.missing_since = now
            elif now - each.missing_since > GONE_AFTER_S:
                self._retract(each)

    def _confirm(self, waiting: Waiting) -> None:
        room = self._room(waiting)
        if room is not None:
            self._hub.tell_confirmed(room, [(waiting.seq, waiting.sender_id)])
        if not waiting.is_sender_told:
            message = message_of_new_frame(waiting.frame)
            self._hub.tell_user(waiting.sender_id, [confirmed_frame(waiting.temp_id, waiting.message_id, message)])
        self._unconfirmed.settle(waiting)

    def _fail(self, waiting: Waiting, fate: Fate) -> None:
        # The room hears of a retraction through its log, so only the sender may have missed it.
        if not waiting.is_sender_told:
            error = {"code": fate.error_code, "message": fate.error_text, "retryable": fate.retryable}
            told = {"tempId": waiting.temp_id, "roomId": waiting.room_id, "error": error}
            self._hub.tell_user(waiting.sender_id, [codec.event_frame("message-failed", told)])
        self._unconfirmed.settle(waiting)

    def _retract(self, waiting: Waiting) -> None:
        room = self._hub.rooms.get(waiting.room_id)
        if room is not None and waiting.has_viewers:
            told = {
                "roomId": waiting.room_id,
                "messageId": waiting.message_id,
                "seq": waiting.seq,
                "offset": room.offset,
            }
            self._hub.tell_others(room, waiting.sender_id, codec.event_frame("message-retracted", told))
        error = Lost("the message was lost before it could be stored; send it again")
        frame = codec.message_failed_frame(waiting.temp_id, waiting.room_id, error)
        self._hub.tell_user(waiting.sender_id, [frame])
        self._unconfirmed.settle(waiting)
        log.warning("shown-message-lost", extra={"message_id": waiting.message_id})

    def _room(self, waiting: Waiting) -> Room | None:
        return self._hub.rooms.get(waiting.room_id) if waiting.has_viewers else None
