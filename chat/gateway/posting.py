"""After a post came through here the message is accepted as if it had come over a socket, or it was refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gevent.event import AsyncResult
from gevent.timeout import Timeout

from chat.broker.base import Accepted, AcceptOutcome, Duplicate
from chat.errors import BrokerUnavailable, ChatError, OutboxFull
from chat.gateway.identity import Identity
from chat.gateway.rate import UserRate
from chat.gateway.sending import accepted_result, known_result
from chat.gateway.shared_rate import SharedRate
from chat.services.accept import AcceptService
from chat.services.drafting import Drafting, Outgoing

ANSWER_TIMEOUT_S = 6.0  # the accept step answers or gives up within 5 s


@dataclass(frozen=True, slots=True)
class Posting:
    """Sends messages for those who have no socket."""

    drafting: Drafting
    accept: AcceptService
    rate: UserRate | SharedRate
    nudge: Callable[[], None]

    def post(self, identity: Identity, outgoing: Outgoing) -> dict[str, Any]:
        """Send a member's message and return what the ack of a send tells.

        Raises: InvalidRequest, RateLimited, OutboxFull, BrokerUnavailable, StoreUnavailable, RoomNotFound.
        """
        draft = self.drafting.draft(outgoing, identity.user_id, identity.name)
        self.rate.ask(identity.user_id)
        self.rate.take(identity.user_id)
        answer: AsyncResult = AsyncResult()
        self.accept.submit(draft, answer.set)
        try:
            outcome: AcceptOutcome | ChatError = answer.get(timeout=ANSWER_TIMEOUT_S)
        except Timeout as exc:
            raise BrokerUnavailable("accept") from exc
        if isinstance(outcome, Accepted):
            self.nudge()
            return accepted_result(draft, outcome)
        if isinstance(outcome, Duplicate):
            return known_result(draft, outcome)
        raise outcome if isinstance(outcome, ChatError) else OutboxFull()
