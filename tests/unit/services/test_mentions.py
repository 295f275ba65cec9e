"""Mentions are counted between two positions, for whoever is named."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
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
    assert write_down(store, notes_of([message]).sets) == {}


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


def test_the_store_is_not_read_when_no_unread_message_is_known_to_name_anybody(store: SqliteStore) -> None:
    note(store, 4, "bob")
    before = store.round_trips
    assert Mentions(store).of({("r", "bob"): Standing(4, 9, 5, mentioned_seq=4)}) == {}
    assert store.round_trips == before
    assert Mentions(store).of({("r", "bob"): Standing(3, 9, 6, mentioned_seq=4)}) == {("r", "bob"): 1}


def test_what_was_found_is_noted_when_it_was_not_known(store: SqliteStore) -> None:
    noted: list[Mapping[str, int]] = []
    note(store, 4, "cleo")
    note(store, 6, deleted_at="now")
    mentions = Mentions(store, noted.append)
    mentions.of({("r", "bob"): standing(0, 9), ("r", "dan"): standing(8, 9), ("quiet", "bob"): standing(2, 9)})
    assert noted == [{"r": 4, "quiet": 0}]
    mentions.of({("r", "bob"): Standing(3, 9, 6, mentioned_seq=4)})
    assert len(noted) == 1


def test_what_was_not_read_is_not_ruled_out_when_it_is_noted(store: SqliteStore) -> None:
    noted: list[Mapping[str, int]] = []
    note(store, 4, "bob")
    last = 3 * BLOCK
    assert Mentions(store, noted.append).of({("r", "bob"): standing(last - 1, last)}) == {}
    assert noted == [{"r": last - 1}]
