"""Mentions are counted between two positions, for whoever is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.model.cursor import Standing
from chat.model.mentions import BLOCK
from chat.services.mentions import DEPTH, Mentions
from chat.services.notes import notes_of, said_by, write_down
from chat.store.sqlite import SqliteStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "chat.db")
    yield store
    store.close()


def note(store: SqliteStore, seq: int, *named: str, room_id: str = "r", deleted_at: str | None = None) -> None:
    told = {"room_id": room_id, "seq": seq, "deleted_at": deleted_at, "metadata": {"mentions": list(named)}}
    message = said_by(json.dumps(told).encode())
    assert message is not None
    assert write_down(store, notes_of([message]).sets) == set()


def standing(read_seq: int, last_seq: int) -> Standing:
    return Standing(read_seq, last_seq, last_seq - read_seq)


def test_only_unread_mentions_of_oneself_count(store: SqliteStore) -> None:
    for seq, named in ((3, "bob"), (4, "bob"), (5, "cleo"), (BLOCK, "bob"), (2 * BLOCK + 1, "bob")):
        note(store, seq, named)
    note(store, 7, "bob", room_id="other")
    bob = ("r", "bob")
    assert Mentions(store).of({bob: standing(3, 2 * BLOCK)}) == {bob: 2}
    assert Mentions(store).of({bob: standing(4, 2 * BLOCK + 1), ("r", "cleo"): standing(0, 5)}) == {
        bob: 2,
        ("r", "cleo"): 1,
    }
    assert Mentions(store).of({("r", "dan"): standing(0, 9), ("quiet", "bob"): standing(0, 9)}) == {}


def test_a_deleted_message_names_nobody_whenever_that_was_noted(store: SqliteStore) -> None:
    note(store, 4, deleted_at="now")
    note(store, 4, "bob")
    assert Mentions(store).of({("r", "bob"): standing(0, 9)}) == {}


def test_the_store_is_read_once_for_all_rooms_and_not_for_those_without_unread_ones(store: SqliteStore) -> None:
    before = store.round_trips
    Mentions(store).of({(f"r{n}", "bob"): standing(0, 9) for n in range(100)})
    assert store.round_trips - before == 1
    Mentions(store).of({("r", "bob"): standing(9, 9), ("s", "bob"): Standing(0, 3, 0)})
    assert store.round_trips - before == 1


def test_one_looks_back_so_far_and_no_further(store: SqliteStore) -> None:
    last = DEPTH * BLOCK + 1
    note(store, BLOCK - 1, "bob")
    note(store, BLOCK, "bob")
    assert Mentions(store).of({("r", "bob"): standing(0, last)}) == {("r", "bob"): 1}
