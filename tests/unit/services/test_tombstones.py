"""A tombstone is taken out of its thread, of mentions and of pins, as often as it is asked."""

from __future__ import annotations

from typing import Any

import pytest

from chat.errors import StoreUnavailable
from chat.model.amendments import MessageState
from chat.model.ids import MessageRef
from chat.services.tombstones import Tombstones
from chat.store.base import Kind, SetPaths, Unavailable, Written

STATE = MessageState("r.4.e", 4, "r", "ann", "", deleted_at="now", reply_to="r.3.e")


class MemoryStore:
    """Remembers what was written, unless it is away."""

    def __init__(self, is_away: bool = False) -> None:
        self.is_away = is_away
        self.writes: list[Any] = []

    def write_many(self, writes: Any) -> list[Any]:
        self.writes += writes
        return [Unavailable("down") if self.is_away else Written(1) for _ in writes]


def test_all_that_counted_it_is_told() -> None:
    store: Any = MemoryStore()
    marked: list[str] = []
    unpinned: list[MessageRef] = []
    Tombstones(store, marked.extend, unpinned.append)(STATE)
    assert store.writes == [
        SetPaths(Kind.THREAD, "r:000000000003:e:00000000", {("gone", "4"): 1}),
        SetPaths(Kind.MENTIONS, "r:00000000", {("gone", "4"): 1}),
        SetPaths(Kind.REMOVED, "r:00000000", {("seqs", "4"): 1}),
    ]
    assert (marked, unpinned) == (["r.3.e"], [MessageRef("r", 4, "e")])


def test_it_is_done_again_later_when_the_store_is_away() -> None:
    store: Any = MemoryStore(is_away=True)
    with pytest.raises(StoreUnavailable):
        Tombstones(store)(STATE)
