from __future__ import annotations

from typing import Any

import pytest

from chat.broker.base import Accepted, Draft, Duplicate, OnOutcome, Overloaded
from chat.errors import BrokerUnavailable, InvalidRequest, OutboxFull, RateLimited
from chat.gateway import posting
from chat.gateway.identity import Identity
from chat.gateway.posting import Posting
from chat.gateway.rate import UserRate
from chat.services.drafting import Drafting, Outgoing

ANN = Identity("ann", "Ann")


class Accepting:
    """Answers every draft with `outcome`, or not at all."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome
        self.drafts: list[Draft] = []

    def submit(self, draft: Draft, on_outcome: OnOutcome) -> None:
        self.drafts.append(draft)
        if self.outcome is not None:
            on_outcome(self.outcome)


class Counter:
    def __init__(self, outcome: Any, per_s: float = 0) -> None:
        self.accepting = Accepting(outcome)
        self.nudges = 0
        drafting = Drafting(content_limit_bytes=100, give_up_s=300)
        self.posting = Posting(drafting, self.accepting, UserRate(per_s, 1.0), self._nudge)  # type: ignore[arg-type]

    def post(self, **members: Any) -> dict[str, Any]:
        return self.posting.post(ANN, Outgoing("room456", **({"content": "hi", "temp_id": "t1"} | members)))

    def _nudge(self) -> None:
        self.nudges += 1


def test_the_message_is_pending_and_the_drain_is_woken_when_it_is_accepted() -> None:
    counter = Counter(Accepted(7, "abcd1234", 9))
    assert counter.post() == {"tempId": "t1", "id": "room456.7.abcd1234", "seq": 7, "state": "pending"}
    assert (counter.accepting.drafts[0].sender_id, counter.nudges) == ("ann", 1)


@pytest.mark.parametrize(
    ("known", "more"),
    [
        (Duplicate("confirmed", 7, "abcd1234"), {"state": "confirmed"}),
        (
            Duplicate("failed", 7, "abcd1234", "refused", "no"),
            {"state": "failed", "error": {"code": "refused", "message": "no", "retryable": False}},
        ),
    ],
)
def test_a_repeat_is_answered_with_the_state_of_the_first(known: Duplicate, more: dict[str, Any]) -> None:
    counter = Counter(known)
    assert counter.post() == {"tempId": "t1", "id": "room456.7.abcd1234", "seq": 7, **more}
    assert counter.nudges == 0


@pytest.mark.parametrize(
    ("outcome", "error"), [(Overloaded(), OutboxFull), (BrokerUnavailable("accept"), BrokerUnavailable)]
)
def test_it_is_an_error_when_nothing_was_accepted(outcome: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Counter(outcome).post()


def test_it_ends_with_a_clear_error_when_there_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "ANSWER_TIMEOUT_S", 0.01)
    with pytest.raises(BrokerUnavailable):
        Counter(None).post()


def test_nothing_is_submitted_when_the_message_can_not_be_taken() -> None:
    counter = Counter(Accepted(7, "abcd1234", 9))
    with pytest.raises(InvalidRequest):
        counter.post(content=" ")
    assert counter.accepting.drafts == []


def test_a_post_is_paid_for_like_a_send_when_messages_are_limited() -> None:
    counter = Counter(Accepted(7, "abcd1234", 9), per_s=1)
    counter.post()
    with pytest.raises(RateLimited):
        counter.post(temp_id="t2")
    assert len(counter.accepting.drafts) == 1
