"""After a run here messages show how many replies they have, in the store and to their rooms.

Before: the drain stored replies, or one was deleted, and marked the messages that they answer. A message is counted
and told once however many replies came meanwhile, and nobody's confirmation waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from chat.broker.base import DrainLeasing
from chat.errors import MessageNotFound, NotStoredYet
from chat.model.amendments import MessageState, state_of, with_thread
from chat.model.ids import MessageRef, parse_message_id
from chat.model.threads import Thread
from chat.services.message_telling import UPDATED, MessageTelling, present_state
from chat.services.rounds import run_rounds
from chat.services.store_seen import Marking
from chat.services.stored_messages import StoredMessages
from chat.services.threads import Threads

TAKE = 100  # messages at once
RUN_S = 2.0  # then another run goes on, behind the other tasks of the worker
PAUSE_S = 0.25  # between two rounds: the replies of a lively thread are told four times a second at most


@dataclass(frozen=True, slots=True)
class TellThreads:
    """One run. Two may overlap: the count is taken inside the compare-and-set that writes it."""

    marks: Marking
    messages: StoredMessages
    threads: Threads
    telling: MessageTelling
    lease: DrainLeasing
    sleep: Callable[[float], None] = time.sleep
    run_s: float = RUN_S

    def run(self) -> bool:
        """Tell until nothing is marked; return True when the time ran out first.

        Raises: BrokerUnavailable, StoreUnavailable; what was marked stays marked.
        """
        return run_rounds(self.lease, self.round, run_s=self.run_s, pause_s=PAUSE_S, sleep=self.sleep)

    def round(self) -> bool:
        """Do what is marked now; return whether anything was done."""
        taken = self.marks.take(TAKE)
        done = {
            name: {field: value for field, value in marks.items() if self._is_done(field)}
            for name, marks in taken.items()
        }
        return bool(any(done.values()) and self.marks.settle(done))

    def _is_done(self, parent_id: str) -> bool:
        ref = parse_message_id(parent_id)
        if ref is None:
            return True
        try:
            self.tell(ref)
        except NotStoredYet:
            return False
        except MessageNotFound:
            pass  # an answer to nothing: it stays one, and nobody shows a count
        return True

    def tell(self, ref: MessageRef) -> bool:
        """Bring one message up to date; return whether it was not."""
        body = self.messages.find(ref).body
        if self._counted(body, state_of(body)) is None:
            return False
        intent = self.telling.intend(UPDATED, ref)
        if not self.messages.amend(ref, self._counted).is_changed:
            self.telling.drop(intent)
            return False
        self.telling.tell(intent, ref, present_state)
        return True

    def _counted(self, body: bytes, state: MessageState) -> bytes | None:
        if state.deleted_at is not None:
            return None  # a tombstone shows nothing any more
        ref = parse_message_id(state.id)
        thread = self.threads.look(ref) if ref else None
        if thread is None or thread == Thread(state.reply_count, state.last_reply_at):
            return None
        return with_thread(body, thread)
