"""A thread is counted and read by its blocks, however far its replies lie apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.model.ids import MessageRef, message_id
from chat.model.message import message_key
from chat.model.threads import BLOCK, Thread
from chat.services.notes import notes_of, said_by, write_down
from chat.services.threads import Threads
from chat.store.base import Kind
from chat.store.sqlite import SqliteStore

PARENT = MessageRef("r", 3, "e")


class Scene:
    """A room with a last number, and replies to one of its messages."""

    def __init__(self, store: SqliteStore, last_seq: int = 200 * BLOCK) -> None:
        self.store, self.threads = store, Threads(store)
        room = {
            "id": "r",
            "type": "group",
            "name": None,
            "created_at": "",
            "created_by": "ann",
            "last_seq": last_seq,
        }
        store.insert(Kind.ROOM, "r", json.dumps(room).encode())

    def reply(self, seq: int, **members: object) -> None:
        said = {"id": f"r.{seq}.e", "room_id": "r", "seq": seq, "reply_to": message_id(*PARENT)}
        body = json.dumps({**said, "created_at": f"at {seq}", **members}).encode()
        self.store.insert(Kind.MESSAGE, message_key("r", seq), body)
        found = said_by(body)
        assert found is not None
        write_down(self.store, notes_of([found]).sets)

    def page(self, limit: int, after: int = 0) -> tuple[list[int], bool]:
        page = self.threads.page(PARENT, limit, after)
        return [json.loads(each)["seq"] for each in page.messages], page.has_more


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    store = SqliteStore(tmp_path / "chat.db")
    yield Scene(store)
    store.close()


def test_a_thread_may_stretch_over_a_whole_room(scene: Scene) -> None:
    assert scene.threads.look(PARENT) == Thread(0, None)
    seqs = [4, BLOCK - 1, BLOCK, 70 * BLOCK, 200 * BLOCK]
    for seq in seqs:
        scene.reply(seq)
    assert scene.threads.look(PARENT) == Thread(5, f"at {200 * BLOCK}")
    assert scene.page(10) == (seqs, False)
    assert scene.page(2) == (seqs[:2], True)
    assert scene.page(3, after=seqs[1]) == (seqs[2:], False)
    assert scene.page(3, after=10**15) == ([], False)


def test_a_page_looks_at_no_more_messages_than_it_shows(scene: Scene) -> None:
    for seq in range(4, 104):
        scene.reply(seq)
    before = scene.store.round_trips
    assert scene.page(50) == (list(range(4, 54)), True)
    assert scene.store.round_trips - before == 3  # the room, its blocks, the messages


def test_what_lies_under_a_number_now_must_be_the_reply(scene: Scene) -> None:
    scene.reply(4)
    scene.reply(5, reply_to="r.3.other")
    scene.store.update_paths(
        Kind.THREAD, "r:000000000003:e:00000000", sets={("replies", "5"): 1, ("replies", "6"): 1}
    )
    scene.reply(7, deleted_at="now")
    assert scene.page(10) == ([4], False)


def test_a_lost_room_tells_nothing(scene: Scene) -> None:
    assert scene.threads.look(MessageRef("lost", 3, "e")) is None
    assert scene.threads.page(MessageRef("lost", 3, "e"), 10).messages == []
