"""What messages say of others becomes parts of documents, written in as few round trips as there can be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chat.model.ids import MessageRef
from chat.services.notes import Said, is_telling, notes_of, said_by, write_down
from chat.store.base import Exists, Insert, Kind, Missing, Outcome, Refused, Unavailable, Write, Written
from chat.store.sqlite import SqliteStore

THREAD = (Kind.THREAD, "r:000000000003:e:00000000")
MENTIONS = (Kind.MENTIONS, "r:00000000")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "chat.db")
    yield store
    store.close()


def body(seq: int, **members: Any) -> bytes:
    return json.dumps({"room_id": "r", "seq": seq, **members}, separators=(",", ":")).encode()


def said(seq: int, **members: Any) -> Said:
    found = said_by(body(seq, **members))
    assert found is not None
    return found


def test_most_messages_tell_nothing_at_a_glance() -> None:
    plain = body(4, reply_to=None, metadata={"k": 1}, content='"reply_to":"r.3.e"')
    assert not is_telling(plain)
    assert is_telling(body(4, reply_to="r.3.e"))
    assert is_telling(body(4, metadata={"mentions": ["bob"]}))


def test_a_message_says_whom_it_answers_and_names() -> None:
    notes = notes_of(
        [said(4, reply_to="r.3.e", metadata={"mentions": ["bob"]}), said(5), said(6, reply_to="r.3.e")]
    )
    assert notes.sets == {
        THREAD: {("replies", "4"): 1, ("replies", "6"): 1},
        MENTIONS: {("seqs", "4"): ["bob"]},
    }
    assert notes.parents == {MessageRef("r", 3, "e")}


def test_a_tombstone_says_that_it_is_gone() -> None:
    notes = notes_of([said(4, reply_to="r.3.e", deleted_at="now", metadata={})])
    assert notes.sets == {THREAD: {("gone", "4"): 1}, MENTIONS: {("gone", "4"): 1}}


@pytest.mark.parametrize("metadata", [None, {}, {"mentions": None}, {"mentions": "bob"}, {"mentions": [7]}])
def test_what_an_older_release_stored_names_nobody(metadata: Any) -> None:
    assert notes_of([said(4, metadata=metadata)]).sets == {}


def test_what_is_no_message_says_nothing() -> None:
    assert said_by(b'{"seq":"four"}') is None


def test_notes_add_to_each_other_in_any_order(store: SqliteStore) -> None:
    first, second = notes_of([said(4, reply_to="r.3.e")]).sets, notes_of([said(5, reply_to="r.3.e")]).sets
    gone = notes_of([said(4, reply_to="r.3.e", deleted_at="now")]).sets
    for sets in (gone, first, second, first):
        assert write_down(store, sets) == {}
    document = store.get(*THREAD)
    assert document is not None
    assert json.loads(document.body) == {"gone": {"4": 1}, "replies": {"4": 1, "5": 1}}
    before = store.round_trips, document.cas
    write_down(store, {**first, **second})
    again = store.get(*THREAD)
    assert again is not None
    assert (store.round_trips - before[0], again.cas) == (2, before[1])  # one of them was the reading here


class Scripted:
    """Gives one answer for each write, batch after batch."""

    def __init__(self, *batches: list[Outcome]) -> None:
        self.batches = list(batches)
        self.sorts: list[list[type]] = []

    def write_many(self, writes: list[Write]) -> list[Outcome]:
        self.sorts.append([type(each) for each in writes])
        return self.batches.pop(0)


def test_a_document_that_somebody_else_makes_meanwhile_is_added_to() -> None:
    store: Any = Scripted([Missing()], [Exists(b"{}")], [Written(1)])
    assert write_down(store, {THREAD: {("replies", "4"): 1}}) == {}
    assert store.sorts[1] == [Insert]


@pytest.mark.parametrize(
    ("batches", "waits"),
    [
        ([[Unavailable("down")]], True),
        ([[Missing()], [Unavailable("down")]], True),
        ([[Missing()], [Exists(b"{}")]] * 3, True),
        ([[Refused("too large")]], False),
    ],
)
def test_what_the_store_can_not_take_now_is_told(batches: list[list[Outcome]], waits: bool) -> None:
    store: Any = Scripted(*batches)
    assert write_down(store, {THREAD: {("replies", "4"): 1}}) == ({THREAD: ""} if waits else {})
