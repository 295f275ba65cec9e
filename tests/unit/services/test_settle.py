"""What the outcome of each write says about its message."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from chat.broker.base import OutboxEntry, OutboxMessage
from chat.model.events import document
from chat.services.confirm import confirmations
from chat.services.retract import POISON, retractions
from chat.services.settle import Failed, Pending, settle
from chat.store.base import (
    Exists,
    Insert,
    Kind,
    Missing,
    Outcome,
    Raise,
    Refused,
    Unavailable,
    Write,
    Written,
)

MEMBERS = b'"content":"hello"'


class ScriptedStore:
    """Answers each write as told, and remembers the batches."""

    def __init__(self, answer: Callable[[Write], Outcome]) -> None:
        self._answer = answer
        self.batches: list[Sequence[Write]] = []

    def write_many(self, writes: Sequence[Write]) -> list[Outcome]:
        self.batches.append(writes)
        return [self._answer(write) for write in writes]


def pending(room_id: str = "r", seq: int = 1) -> Pending:
    message = OutboxMessage(room_id, "e", seq, "ann", f"t{seq}", 0, MEMBERS)
    return Pending(OutboxEntry(0, f"{seq}-0", room_id, "e", seq, (message,)), message)


WRITTEN = Written(1)


def store_where(insert: Outcome = WRITTEN, raised: Outcome = WRITTEN) -> ScriptedStore:
    return ScriptedStore(lambda write: insert if isinstance(write, Insert) else raised)


def test_a_batch_is_one_call_with_one_raise_per_room_and_sender() -> None:
    store = store_where()

    settled = settle(store, [pending("a", 1), pending("b", 7), pending("a", 2)])  # type: ignore[arg-type]

    assert len(settled.stored) == 3
    assert store.batches == [
        [
            Insert(Kind.MESSAGE, "a:000000000001", document("a.1.e", 1, MEMBERS)),
            Insert(Kind.MESSAGE, "b:000000000007", document("b.7.e", 7, MEMBERS)),
            Insert(Kind.MESSAGE, "a:000000000002", document("a.2.e", 2, MEMBERS)),
            Raise(Kind.ROOM, "a", "last_seq", 2),
            Raise(Kind.ROOM, "b", "last_seq", 7),
            Raise(Kind.CURSOR, "a:ann", "read_seq", 2),
            Raise(Kind.CURSOR, "b:ann", "read_seq", 7),
        ]
    ]


def test_a_message_that_is_there_already_is_stored_and_told_as_it_is_now() -> None:
    edited = b'{"id":"r.1.e","seq":1,"content":"edited"}'

    settled = settle(store_where(Exists(edited)), [pending()])  # type: ignore[arg-type]

    [confirmation] = confirmations(settled.stored)
    assert b'"message":{"_temp":false,"id":"r.1.e","seq":1,"content":"edited"}' in confirmation.frame


@pytest.mark.parametrize(
    ("outcome", "code", "is_retryable"),
    [
        (Exists(b'{"id":"r.1.other"}'), "conflict", True),
        (Exists(b"{}"), "conflict", True),
        (Refused("too large"), "refused", False),
    ],
)
def test_a_message_fails_for_good_when_the_store_will_never_take_it(
    outcome: Outcome, code: str, is_retryable: bool
) -> None:
    settled = settle(store_where(outcome), [pending()])  # type: ignore[arg-type]

    [failed] = settled.failed
    assert (failed.failure.code, failed.failure.retryable) == (code, is_retryable)


def test_a_message_waits_when_the_store_is_away() -> None:
    settled = settle(store_where(Unavailable("down")), [pending()])  # type: ignore[arg-type]

    assert (settled.stored, settled.failed, settled.waiting) == ([], [], [pending()])


def test_what_an_operator_has_to_mend_is_told_when_the_store_turns_a_message_away() -> None:
    settled = settle(store_where(Unavailable("no such bucket", is_misconfigured=True)), [pending()])  # type: ignore[arg-type]

    assert (settled.waiting, settled.turned_away) == ([pending()], "no such bucket")
    assert settle(store_where(Unavailable("down")), [pending()]).turned_away == ""  # type: ignore[arg-type]


@pytest.mark.parametrize("is_made", [False, True])
def test_what_an_operator_has_to_mend_is_told_when_a_cursor_is_turned_away(is_made: bool) -> None:
    def answer(write: Write) -> Outcome:
        if write.kind is not Kind.CURSOR:
            return Written(1)
        return Missing() if isinstance(write, Raise) and not is_made else Unavailable("no copies", True)

    settled = settle(ScriptedStore(answer), [pending()])  # type: ignore[arg-type]

    assert (settled.waiting, settled.turned_away) == ([pending()], "no copies")


def test_a_room_whose_last_seq_could_not_be_told_waits_and_the_others_do_not() -> None:
    def answer(write: Write) -> Outcome:
        return Unavailable("down") if isinstance(write, Raise) and write.key == "a" else Written(1)

    settled = settle(ScriptedStore(answer), [pending("a"), pending("b")])  # type: ignore[arg-type]

    assert settled.waiting == [pending("a")]
    assert [each.pending for each in settled.stored] == [pending("b")]


@pytest.mark.parametrize("outcome", [Missing(), Refused("no integer")])
def test_a_message_is_stored_although_its_room_document_is_odd(outcome: Outcome) -> None:
    settled = settle(store_where(raised=outcome), [pending()])  # type: ignore[arg-type]

    assert len(settled.stored) == 1
    assert settled.unknown_rooms == (("r",) if outcome == Missing() else ())


def test_a_retraction_tells_the_sender_what_failed() -> None:
    [retraction] = retractions([Failed(pending(), POISON)])

    assert retraction.frame == (
        b'{"event":"message-failed","data":{"tempId":"t1","roomId":"r","error":{"code":"poison",'
        b'"message":"storing this message failed too often","retryable":false}}}'
    )
