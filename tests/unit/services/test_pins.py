"""A pin is stored and told like every change of a room, and never outlives its message."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chat.broker.base import Intent
from chat.errors import Forbidden, LimitReached, MessageDeleted, MessageNotFound, NotAMember, StoreUnavailable
from chat.model.amendments import deleted
from chat.model.ids import MessageRef, message_id
from chat.model.message import message_key
from chat.model.room import RoomType
from chat.services import pins as pins_module
from chat.services.pins import NOTE, PINS_LIMIT, Pins
from chat.services.stored_messages import StoredMessages
from chat.store.base import Kind
from chat.store.sqlite import SqliteStore
from tests.support.keeping import Keeping


class Scene:
    """A group of Ann's with Bob in it, and stored messages."""

    def __init__(self, store: SqliteStore) -> None:
        self.store, self.keeping = store, Keeping(store)
        self.keeping.changes.create(RoomType.GROUP, "ann", ["bob"], room_id="g", name="Us")
        self.broker = self.keeping.broker
        self.broker.published.clear()
        self.messages = StoredMessages(store, self.broker, lambda _: None)
        self.pins = Pins(store, self.keeping.rooms, self.messages, self.keeping.announcer)

    def put(self, seq: int) -> MessageRef:
        ref = MessageRef("g", seq, "e")
        said = {"id": message_id(*ref), "seq": seq, "room_id": "g", "sender_id": "ann", "content": "hi"}
        self.store.insert(Kind.MESSAGE, message_key("g", seq), json.dumps(said).encode())
        return ref

    def delete(self, ref: MessageRef) -> None:
        document = self.messages.find(ref)
        self.store.replace(Kind.MESSAGE, document.key, deleted(document.body, "now"), document.cas)

    def pinned(self) -> list[str]:
        return [each.message_id for each in self.pins.of_room("g")]

    def changes(self) -> list[tuple[str, str, str | None]]:
        frames = [json.loads(payload.split(b"\n")[2])["data"] for _, payload in self.broker.published]
        return [(each["change"], each["messageId"], each.get("userId")) for each in frames]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    store = SqliteStore(tmp_path / "chat.db")
    yield Scene(store)
    store.close()


def test_a_pin_is_told_once_and_taken_away_once(scene: Scene) -> None:
    ref = scene.put(1)
    first = scene.pins.pin("g", "ann", ref)
    assert scene.pins.pin("g", "ann", ref) == first
    assert scene.pinned() == ["g.1.e"]
    scene.pins.unpin("g", "ann", ref)
    scene.pins.unpin("g", "ann", ref)
    assert scene.changes() == [("pinned", "g.1.e", "ann"), ("unpinned", "g.1.e", "ann")]
    assert scene.broker.overdue(-1) == []


def test_only_moderators_pin_in_a_group_and_both_in_a_direct_room(scene: Scene) -> None:
    ref = scene.put(1)
    for act in (scene.pins.pin, scene.pins.unpin):
        with pytest.raises(Forbidden):
            act("g", "bob", ref)
        with pytest.raises(NotAMember):
            act("g", "eve", ref)
    assert scene.broker.overdue(-1) == []


def test_a_room_has_a_bounded_number_of_pins(scene: Scene) -> None:
    for seq in range(1, PINS_LIMIT + 1):
        scene.pins.pin("g", "ann", scene.put(seq))
    with pytest.raises(LimitReached):
        scene.pins.pin("g", "ann", scene.put(PINS_LIMIT + 1))
    scene.pins.pin("g", "ann", MessageRef("g", 7, "e"))  # it is there: no further one
    assert len(scene.pinned()) == PINS_LIMIT


def test_what_is_not_there_is_not_pinned(scene: Scene) -> None:
    ref = scene.put(1)
    for unknown in (MessageRef("g", 9, "e"), MessageRef("other", 1, "e"), MessageRef("g", 1, "f")):
        with pytest.raises(MessageNotFound):
            scene.pins.pin("g", "ann", unknown)
    scene.delete(ref)
    with pytest.raises(MessageDeleted):
        scene.pins.pin("g", "ann", ref)
    assert scene.changes() == []


def test_a_message_that_is_deleted_while_it_is_pinned_is_not_left_pinned(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = scene.put(1)
    change_room = scene.keeping.rooms.change_room

    def deleted_first(*args: Any) -> Any:
        monkeypatch.undo()
        scene.delete(ref)
        scene.pins.drop(ref)  # the deletion finds no pin yet
        return change_room(*args)

    monkeypatch.setattr(scene.keeping.rooms, "change_room", deleted_first)
    with pytest.raises(MessageDeleted):
        scene.pins.pin("g", "ann", ref)
    assert scene.keeping.rooms.get("g").pins == {}
    assert scene.changes()[-1] == ("unpinned", "g.1.e", None)


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_pin_that_was_not_told_is_finished_by_the_sweep(scene: Scene, is_deleted: bool) -> None:
    ref = scene.put(1)
    scene.pins.pin("g", "ann", ref)
    scene.broker.published.clear()
    if is_deleted:
        scene.delete(ref)
    scene.pins.finish(Intent(NOTE, "g", "g", "pinned:ann:g.1.e", "x"))
    told = ("unpinned", "g.1.e", None) if is_deleted else ("pinned", "g.1.e", "ann")
    assert scene.changes() == [told]


def test_a_note_stays_while_nobody_knows_whether_it_was_stored(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = scene.put(1)

    def away(*_: Any) -> Any:
        raise StoreUnavailable("replace")

    with monkeypatch.context() as patch:
        patch.setattr(scene.store, "replace", away)
        with pytest.raises(StoreUnavailable):
            scene.pins.pin("g", "ann", ref)
    [intent] = scene.broker.overdue(-1)
    assert (intent.name, intent.detail) == (pins_module.NOTE, "pinned:ann:g.1.e")
    scene.pins.finish(intent)
    assert (scene.changes(), scene.broker.overdue(-1)) == ([], [])


def test_a_lost_message_is_shown_no_more(scene: Scene) -> None:
    ref = scene.put(1)
    scene.pins.pin("g", "ann", ref)
    scene.store.delete(Kind.MESSAGE, message_key("g", 1))
    assert scene.pinned() == []


def test_a_deleted_room_tells_nothing_of_its_pins(scene: Scene) -> None:
    scene.pins.pin("g", "ann", scene.put(1))
    scene.keeping.changes.delete("g", "ann")
    scene.broker.published.clear()
    scene.pins.finish(Intent(NOTE, "g", "g", "pinned:ann:g.1.e", "x"))
    scene.pins.drop(MessageRef("g", 1, "e"))
    assert scene.broker.published == []
