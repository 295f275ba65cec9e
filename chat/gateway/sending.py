"""After a send came through here its sender was answered: accepted, known already, or why not.

Before: the dispatcher decoded the frame. After: the group commit, the relay and the drain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gevent

from chat.broker.base import Accepted, AcceptOutcome, Draft, Duplicate
from chat.errors import BrokerError, ChatError, OutboxFull, StoreError
from chat.gateway.rate import UserRate
from chat.gateway.session import Session
from chat.gateway.shared_rate import SharedRate
from chat.hub import Unconfirmed, Waiting
from chat.model.events import confirmed_frame, durable_message, new_frame
from chat.model.ids import message_id
from chat.model.message import message_key
from chat.protocol import codec, commands
from chat.protocol.fields import Ack
from chat.services.accept import AcceptService
from chat.services.drafting import Drafting, Outgoing
from chat.store.base import Kind, Store


@dataclass(frozen=True, slots=True)
class Sending:
    """Turns a send command into a draft and its outcome into answers."""

    drafting: Drafting
    accept: AcceptService
    rate: UserRate | SharedRate
    unconfirmed: Unconfirmed
    store: Store
    nudge: Callable[[], None]

    def send(self, session: Session, command: commands.Send) -> None:
        """Submit one message of a member; never blocks. Raises InvalidRequest, RateLimited."""
        draft = self.drafting.draft(_outgoing(command.data), session.user_id, session.identity.name)
        self.rate.take(session.user_id)
        self.accept.submit(draft, lambda outcome: self._answer(session, command.ack, draft, outcome))

    def _answer(self, session: Session, ack: Ack, draft: Draft, outcome: AcceptOutcome | ChatError) -> None:
        if isinstance(outcome, Accepted):
            self.nudge()
            if ack is not None:
                session.tell(codec.ack_frame(ack, accepted_result(draft, outcome)))
            if draft.room_id not in session.rooms:
                self._show_to_sender(session, draft, outcome)
        elif isinstance(outcome, Duplicate):
            self._answer_duplicate(session, ack, draft, outcome)
        else:
            error = outcome if isinstance(outcome, ChatError) else OutboxFull()
            if isinstance(error, BrokerError | StoreError):
                session.tell(codec.message_failed_frame(draft.temp_id, draft.room_id, error))
                if ack is None:
                    return
            session.refuse(error, "send-chat-message", ack)

    def _show_to_sender(self, session: Session, draft: Draft, accepted: Accepted) -> None:
        """Show a message to a sender who writes to a room without listening to it."""
        frame = new_frame(
            draft.room_id, accepted.seq, accepted.epoch, accepted.offset, draft.confirm_by, draft.members
        )
        session.tell(frame)
        self.unconfirmed.shown_to_sender(
            Waiting(
                draft.room_id,
                accepted.epoch,
                accepted.seq,
                draft.sender_id,
                draft.temp_id,
                draft.accepted_ms,
                frame,
                has_viewers=False,
            )
        )

    def _answer_duplicate(self, session: Session, ack: Ack, draft: Draft, known: Duplicate) -> None:
        """Answer a repeat with the state of the first: in the ack, or else by the event that told it."""
        if ack is not None:
            session.tell(codec.ack_frame(ack, known_result(draft, known)))
        elif known.state == "failed":
            told = {"tempId": draft.temp_id, "roomId": draft.room_id, "error": _error(known)}
            session.tell(codec.event_frame("message-failed", told))
        elif known.state == "confirmed":
            gevent.spawn(self._confirm_again, session, draft, known)

    def _confirm_again(self, session: Session, draft: Draft, known: Duplicate) -> None:
        try:
            document = self.store.get(Kind.MESSAGE, message_key(draft.room_id, known.seq))
        except StoreError:
            return  # the client asks again, or asks for its fate
        if document is not None:
            name = message_id(draft.room_id, known.seq, known.epoch)
            session.tell(confirmed_frame(draft.temp_id, name, durable_message(document.body)))


def accepted_result(draft: Draft, accepted: Accepted) -> dict[str, Any]:
    """Return what the sender of a new message is answered."""
    return _result(draft, accepted.seq, accepted.epoch, "pending")


def known_result(draft: Draft, known: Duplicate) -> dict[str, Any]:
    """Return what the sender of a repeat is answered: the state of the first."""
    result = _result(draft, known.seq, known.epoch, known.state)
    return {**result, "error": _error(known)} if known.state == "failed" else result


def _result(draft: Draft, seq: int, epoch: str, state: str) -> dict[str, Any]:
    return {"tempId": draft.temp_id, "id": message_id(draft.room_id, seq, epoch), "seq": seq, "state": state}


def _error(known: Duplicate) -> dict[str, Any]:
    return {"code": known.error_code, "message": known.error_text, "retryable": False}


def _outgoing(data: commands.SendData) -> Outgoing:
    return Outgoing(
        data.room,
        data.content,
        data.temp_id or data.tempId or None,
        data.reply_to or data.replyTo or None,
        data.attachments or None,
        data.metadata or None,
    )
