"""What a write does with each answer of the store, one after the other, until its outcome."""

from __future__ import annotations

from typing import Any

import pytest
from couchbase.exceptions import (
    AmbiguousTimeoutException,
    CasMismatchException,
    CouchbaseException,
    DocumentExistsException,
    DocumentNotFoundException,
    RequestCanceledException,
    TemporaryFailException,
)

from chat.store.base import Document, Exists, Insert, Kind, Missing, Raise, Refused, SetPaths, Written
from chat.store.couchbase.batch import fly_batch
from chat.store.couchbase.flight import Landing, Operation, Put, Read, Swap
from chat.store.couchbase.recent import Recent
from chat.store.couchbase.steps import step_of

ROOM = Kind.ROOM
INSERT = Insert(ROOM, "r", b'{"n":1}')
RAISE = Raise(ROOM, "r", "n", 5)
EXISTS, ABSENT, CHANGED = DocumentExistsException(), DocumentNotFoundException(), CasMismatchException()
DOUBT, BUSY = AmbiguousTimeoutException(), TemporaryFailException()
TOO_LARGE = type("TooLarge", (CouchbaseException,), {"error_code": 104})()


def doc(body: bytes, cas: int = 1) -> Document:
    return Document(ROOM, "r", body, cas)


def ends(
    write: Insert | Raise | SetPaths, answers: list[Landing], *, recent: Recent | None = None, **how: bool
) -> tuple[Any, list[Operation]]:
    """Give the answers one after the other; return the end and the operations that were asked for."""
    how = {"is_observed": False, "is_found_to_count": True} | how
    step = step_of(write, recent or Recent(), **how)
    asked = []
    for answer in answers:
        asked.append(step.next)
        end = step.land(answer)
        if end is not None:
            assert len(asked) == len(answers), "answers are left"
            return end, asked
    raise AssertionError("it has no end yet")


PUT, READ = Put(ROOM, "r", b'{"n":1}'), Read(ROOM, "r")


@pytest.mark.parametrize(
    ("answers", "end", "asked"),
    [
        ([3], Written(3), [PUT]),
        ([EXISTS, doc(b'{"n":1}')], Exists(b'{"n":1}'), [PUT, READ]),
        ([EXISTS, doc(b'{"n":2}')], Exists(b'{"n":2}'), [PUT, READ]),
        ([EXISTS, ABSENT, 4], Written(4), [PUT, READ, PUT]),
        ([DOUBT, doc(b'{"n":1}', 8)], Written(8), [PUT, READ]),
        ([DOUBT, doc(b'{"n":2}')], Exists(b'{"n":2}'), [PUT, READ]),
        ([DOUBT, ABSENT], DOUBT, [PUT, READ]),  # it may still be done: not written, and nothing is known
        ([RequestCanceledException(), BUSY], BUSY, [PUT, READ]),
        ([BUSY], BUSY, [PUT]),
        ([TOO_LARGE], Refused("the document is larger than the store takes"), [PUT]),
    ],
)
def test_an_insert(answers: list[Landing], end: object, asked: list[Operation]) -> None:
    assert ends(INSERT, answers) == (end, asked)


SAME = Swap(ROOM, "r", b'{"n":1}', 8)


@pytest.mark.parametrize(
    ("answers", "end", "asked"),
    [
        ([EXISTS, doc(b'{"n":1}', 8), 9], Exists(b'{"n":1}'), [PUT, READ, SAME]),
        ([DOUBT, doc(b'{"n":1}', 8), 9], Written(9), [PUT, READ, SAME]),
        ([DOUBT, doc(b'{"n":1}', 8), DOUBT], DOUBT, [PUT, READ, SAME]),
        (
            [EXISTS, doc(b'{"n":1}', 8), CHANGED, doc(b'{"n":1}', 8), 9],
            Exists(b'{"n":1}'),
            [PUT, READ, SAME, READ, SAME],
        ),
    ],
)
def test_what_is_found_counts_only_when_its_copies_do_where_they_are_observed(
    answers: list[Landing], end: object, asked: list[Operation]
) -> None:
    assert ends(INSERT, answers, is_observed=True) == (end, asked)


def test_what_is_found_is_left_alone_when_nobody_counts_on_it() -> None:
    answers: list[Landing] = [EXISTS, doc(b'{"n":1}')]

    assert ends(INSERT, answers, is_observed=True, is_found_to_count=False) == (Exists(b'{"n":1}'), [PUT, READ])


def swap(body: bytes, cas: int) -> Swap:
    return Swap(ROOM, "r", body, cas)


@pytest.mark.parametrize(
    ("answers", "end", "asked"),
    [
        ([doc(b'{"n":1}'), 2], Written(2), [READ, swap(b'{"n":5}', 1)]),
        ([doc(b'{"n":5}', 6)], Written(6), [READ]),
        ([ABSENT], Missing(), [READ]),
        ([doc(b'{"n":"x"}')], Refused("n is not an integer"), [READ]),
        (
            [doc(b'{"n":1}'), CHANGED, doc(b'{"n":2}', 3), 4],
            Written(4),
            [READ, swap(b'{"n":5}', 1), READ, swap(b'{"n":5}', 3)],
        ),
        ([doc(b'{"n":1}'), CHANGED, doc(b'{"n":7}', 3)], Written(3), [READ, swap(b'{"n":5}', 1), READ]),
        ([doc(b'{"n":1}'), ABSENT, ABSENT], Missing(), [READ, swap(b'{"n":5}', 1), READ]),
        ([doc(b'{"n":1}'), DOUBT, doc(b'{"n":5}', 3)], Written(3), [READ, swap(b'{"n":5}', 1), READ]),
        ([doc(b'{"n":1}'), BUSY], BUSY, [READ, swap(b'{"n":5}', 1)]),
        ([BUSY], BUSY, [READ]),
        (
            [doc(b'{"n":1}'), TOO_LARGE],
            Refused("the document is larger than the store takes"),
            [READ, swap(b'{"n":5}', 1)],
        ),
    ],
)
def test_a_raise(answers: list[Landing], end: object, asked: list[Operation]) -> None:
    assert ends(RAISE, answers) == (end, asked)


def test_a_raise_in_doubt_is_written_again_where_copies_are_observed() -> None:
    answers: list[Landing] = [doc(b'{"n":1}'), DOUBT, doc(b'{"n":5}', 3), 4]

    end, asked = ends(RAISE, answers, is_observed=True)
    assert (end, asked[-1]) == (Written(4), swap(b'{"n":5}', 3))


def test_the_next_raise_reads_nothing_and_the_one_after_a_foreign_change_does() -> None:
    recent = Recent()
    ends(RAISE, [doc(b'{"n":1}'), 2], recent=recent)

    assert ends(Raise(ROOM, "r", "n", 6), [3], recent=recent) == (Written(3), [swap(b'{"n":6}', 2)])
    answers: list[Landing] = [CHANGED, doc(b'{"n":9}', 5)]
    assert ends(Raise(ROOM, "r", "n", 7), answers, recent=recent) == (Written(5), [swap(b'{"n":7}', 3), READ])


def test_what_is_remembered_says_nothing_when_it_is_high_enough_already() -> None:
    recent = Recent()
    recent.keep(doc(b'{"n":9}'))

    assert ends(RAISE, [ABSENT], recent=recent) == (Missing(), [READ])


def test_writes_of_one_key_fly_one_after_the_other_and_others_do_not_wait() -> None:
    flights: list[list[Operation]] = []

    def fly(operations: Any) -> list[Landing]:
        flights.append(list(operations))
        return [len(flights) * 10] * len(operations)

    writes = [Insert(ROOM, "a", b'{"n":1}'), Insert(ROOM, "b", b"{}"), Insert(ROOM, "a", b'{"n":2}')]
    outcome = fly_batch(
        writes, lambda write: step_of(write, Recent(), is_observed=False, is_found_to_count=True), fly
    )

    assert [[each.key for each in flight] for flight in flights] == [["a", "b"], ["a"]]
    assert outcome == [Written(10), Written(10), Written(20)]


PATHS = SetPaths(ROOM, "r", {("m", "a"): 1})


@pytest.mark.parametrize(
    ("answers", "end", "asked"),
    [
        ([doc(b"{}", 8), 9], Written(9), [READ, Swap(ROOM, "r", b'{"m":{"a":1}}', 8)]),
        ([doc(b'{"m":{"a":1}}', 8)], Written(8), [READ]),
        ([ABSENT], Missing(), [READ]),
        ([doc(b'{"m":7}')], Refused("('m',) is not an object"), [READ]),
    ],
)
def test_a_setting_of_paths_goes_the_way_of_a_raise(
    answers: list[Landing], end: object, asked: list[Operation]
) -> None:
    assert ends(PATHS, answers) == (end, asked)
