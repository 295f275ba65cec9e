"""Cursors between a real Valkey and a real store: marks are stored in batches, and none is lost."""

from __future__ import annotations

from typing import Any

import pytest

from chat.broker import keys
from chat.errors import InvalidRequest, StoreUnavailable
from chat.model.cursor import Cursor, Standing
from chat.services.store_seen import StoreSeen
from tests.support.reading import USERS, ReadingScene


def test_ten_thousand_marks_are_one_write(scene: ReadingScene) -> None:
    scene.make("r1", USERS)
    for _ in range(100):
        scene.send("r1", "ann", count=100)
    assert scene.mark("r1", "bob", 10_000) == Standing(10_000, 10_000, 0)
    for seq in range(1, 50):
        scene.mark("r1", "cleo", seq)
    scene.drain()
    before = scene.store.round_trips
    assert scene.store_seen() == 2
    assert scene.store.round_trips - before <= 3  # last seqs, raises, and inserts where there was no cursor
    assert scene.cursor("r1", "bob").read_seq == 10_000
    assert scene.cursor("r1", "cleo").shown_seq == 49


def test_a_cursor_waits_when_its_message_is_not_stored_yet(scene: ReadingScene) -> None:
    scene.make("r1", USERS)
    scene.send("r1", "ann", count=3)
    scene.mark("r1", "bob", 3)
    assert scene.store_seen() == 0
    assert scene.cursor("r1", "bob").read_seq == 0
    scene.drain()
    assert scene.store_seen() == 1
    assert scene.cursor("r1", "bob").read_seq == 3


def test_nothing_is_lost_when_a_worker_dies_in_the_middle(scene: ReadingScene) -> None:
    scene.make("r1", USERS)
    scene.send("r1", "ann", count=3)
    scene.drain()
    scene.mark("r1", "bob", 3)

    class Killed(BaseException):
        """What a kill is to the code that runs."""

    class Dying(StoreSeen):
        def _store_cursors(self, marks: Any) -> set[str]:
            super()._store_cursors(marks)
            raise Killed

    with pytest.raises(Killed):
        Dying(scene.marks, scene.store).run()
    scene.mark("r1", "cleo", 2)
    assert scene.store_seen() == 2
    assert (scene.cursor("r1", "bob").read_seq, scene.cursor("r1", "cleo").read_seq) == (3, 2)


def test_marks_stay_when_the_store_is_away(scene: ReadingScene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.make("r1", USERS)
    scene.send("r1", "ann")
    scene.drain()
    scene.mark("r1", "bob", 1)

    def away(*_: Any) -> Any:
        raise StoreUnavailable("get_many")

    with monkeypatch.context() as patch:
        patch.setattr(scene.store, "get_many", away)
        assert scene.store_seen() == 0
    assert scene.store_seen() == 1


def test_a_named_message_is_looked_up_when_redis_does_not_know_its_epoch(scene: ReadingScene) -> None:
    scene.make("r1", USERS)
    scene.send("r1", "ann", count=3)
    scene.drain()
    named = scene.id_of("r1", 2)
    epoch = named.rsplit(".", 1)[1]
    scene.client.hset(keys.head("r1"), "epochs", f"9:{epoch}")
    assert scene.seen.mark("r1", "bob", message_id=named).read_seq == 2
    scene.client.hset(keys.head("r1"), "epochs", f"9:{epoch}")
    with pytest.raises(InvalidRequest, match="no such message"):
        scene.seen.mark("r1", "bob", message_id="r1.3.zzzzzzzz")


def test_a_cursor_is_made_by_sending(scene: ReadingScene) -> None:
    scene.make("r1", USERS)
    scene.send("r1", "ann", count=2)
    scene.drain()
    assert scene.cursor("r1", "ann") == Cursor(2, 0, 0)
    scene.send("r1", "ann")
    scene.drain()
    assert scene.cursor("r1", "ann") == Cursor(3, 0, 0)
