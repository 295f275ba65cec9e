"""Messages that are in the store: found by their id, and amended one after the other whoever else amends them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from chat.broker.base import RoomLog
from chat.errors import CasMismatch, MessageNotFound, NotStoredYet, StoreUnavailable
from chat.model.amendments import MessageState, state_of
from chat.model.ids import MessageRef, message_id
from chat.model.message import message_key
from chat.store.base import Document, Kind, Store

STORED_WITHIN_S = 2.0  # a message that was just sent is stored by then, unless the store is away
LOOK_AGAIN_S = 0.05
CAS_TRIES = 100  # of those who change one message at the same moment, one gets through each time

Amendment = Callable[[bytes, MessageState], bytes | None]  # the new body, or None when nothing has to change


class Amended(NamedTuple):
    """A message as the store has it now, and whether this call changed it."""

    body: bytes
    is_changed: bool


@dataclass(frozen=True, slots=True)
class StoredMessages:
    """Reads and changes of message documents."""

    store: Store
    log: RoomLog
    sleep: Callable[[float], None] = time.sleep

    def find(self, ref: MessageRef) -> Document:
        """Return a message's document, waiting a moment for one that is on its way to the store.

        Raises: MessageNotFound, NotStoredYet, StoreUnavailable, BrokerUnavailable.
        """
        deadline = time.monotonic() + STORED_WITHIN_S
        while (document := self._get(ref)) is None:
            if not self._is_waiting(ref):
                if (document := self._get(ref)) is not None:  # stored between the two looks
                    break
                raise MessageNotFound("there is no such message", field="messageId")
            if time.monotonic() > deadline:
                raise NotStoredYet("the message is not stored yet; try again in a moment", field="messageId")
            self.sleep(LOOK_AGAIN_S)
        return document

    def amend(self, ref: MessageRef, amendment: Amendment) -> Amended:
        """Make `amendment` of the newest state of a message; whatever it raises leaves the message alone.

        Raises: as `find`, and DocumentRefused.
        """
        for _ in range(CAS_TRIES):
            document = self.find(ref)
            body = amendment(document.body, state_of(document.body))
            if body is None:
                return Amended(document.body, False)
            try:
                self.store.replace(Kind.MESSAGE, document.key, body, document.cas)
            except CasMismatch:
                continue  # somebody was first: decide again on what it is now
            return Amended(body, True)
        raise StoreUnavailable("amend")

    def _get(self, ref: MessageRef) -> Document | None:
        document = self.store.get(Kind.MESSAGE, message_key(ref.room_id, ref.seq))
        if document is None or state_of(document.body).id != message_id(*ref):
            return None  # under a number that was given again lies another message
        return document

    def _is_waiting(self, ref: MessageRef) -> bool:
        waiting = self.log.waiting(ref.room_id, [ref.seq]).get(ref.seq)
        return waiting is not None and waiting.epoch == ref.epoch
