from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from chat.broker.base import DurableEvent, Intent
from chat.errors import (
    BrokerUnavailable,
    Forbidden,
    InvalidRequest,
    LimitReached,
    MessageDeleted,
    MessageNotFound,
    StoreUnavailable,
)
from chat.model import amendments
from chat.model.amendments import state_of
from chat.model.ids import MessageRef, message_id
from chat.model.message import message_key
from chat.services.amending import Amending, ref_of
from chat.services.edit_history import EditHistory
from chat.services.message_telling import MessageTelling
from chat.services.stored_messages import StoredMessages
from chat.store.base import Kind
from chat.store.sqlite import SqliteStore
from tests.support.memory import MemoryBroker

REF = MessageRef("room456", 7, "abcd1234")
ID = message_id(*REF)
BODY = json.dumps(
    {
        "id": ID,
        "seq": 7,
        "room_id": "room456",
        "sender_id": "ann",
        "sender_name": "Ann",
        "content": "hi",
        "created_at": "2026-01-31T12:00:00.000Z",
        "attachments": [],
        "metadata": {},
        "edited_at": None,
        "deleted_at": None,
        "reactions": {},
    }
).encode()


class Announcements:
    """The announcer's twin: what is noted, and what was told."""

    def __init__(self) -> None:
        self.intents: list[Intent] = []
        self.told: list[dict[str, Any]] = []
        self.revisions: list[int] = []
        self.before_telling: Callable[[], None] = lambda: None

    def intend(self, intent: Intent) -> None:
        self.intents.append(intent)

    def drop(self, intent: Intent) -> None:
        self.intents.remove(intent)

    def announce(self, intent: Intent, compose: Callable[[], DurableEvent | None]) -> None:
        self.before_telling()
        if (event := compose()) is not None:
            self.told.append(json.loads(event.head + b"9" + event.tail))
            self.revisions.append(event.revision)
        self.intents.remove(intent)


class Desk:
    def __init__(self, store: SqliteStore) -> None:
        self.store, self.rooms = store, Announcements()
        self.deleted: list[MessageRef] = []
        self.history = EditHistory(store)
        messages = StoredMessages(store, MemoryBroker())
        self.telling = MessageTelling(messages, self.rooms)  # type: ignore[arg-type]
        self.amending = Amending(
            messages,
            self.history,
            self.telling,
            self._check,
            lambda room_id, user_id: user_id == "mod",
            self.deleted.append,
        )

    @property
    def state(self) -> amendments.MessageState:
        document = self.store.get(Kind.MESSAGE, message_key("room456", 7))
        assert document is not None
        return state_of(document.body)

    def _check(self, content: str) -> None:
        if not content:
            raise InvalidRequest("content is empty", field="content")


@pytest.fixture
def desk(tmp_path):
    store = SqliteStore(tmp_path / "chat.db")
    store.insert(Kind.MESSAGE, message_key("room456", 7), BODY)
    yield Desk(store)
    store.close()


def test_room_is_told_the_message_as_it_is_when_its_author_edits_it(desk: Desk) -> None:
    answer = json.loads(desk.amending.edit("ann", REF, "ho"))
    [told] = desk.rooms.told
    assert told["event"] == "message-updated"
    assert (told["data"]["roomId"], told["data"]["messageId"], told["data"]["offset"]) == ("room456", ID, 9)
    assert told["data"]["message"] == answer
    assert (answer["content"], answer["_temp"], answer["revision"]) == ("ho", False, 1)
    assert answer["edited_at"] is not None
    assert [each.content for each in desk.amending.versions("ann", REF)] == ["hi"]
    assert desk.rooms.intents == []


def test_nothing_is_told_when_the_edit_changes_nothing(desk: Desk) -> None:
    assert json.loads(desk.amending.edit("ann", REF, "hi"))["content"] == "hi"
    assert (desk.rooms.told, desk.state.revision) == ([], 0)


@pytest.mark.parametrize("user", ["bob", "mod"])
def test_edit_is_refused_when_somebody_else_asks(desk: Desk, user: str) -> None:
    with pytest.raises(Forbidden) as raised:
        desk.amending.edit(user, REF, "ho")
    assert raised.value.field == "messageId"
    assert (desk.state.content, desk.rooms.told, desk.rooms.intents) == ("hi", [], [])
    assert desk.history.versions(REF) == []


def test_edit_is_refused_when_its_content_can_not_be_sent(desk: Desk) -> None:
    with pytest.raises(InvalidRequest):
        desk.amending.edit("ann", REF, "")


@pytest.mark.parametrize("user", ["ann", "mod"])
def test_a_tombstone_is_left_when_author_or_moderator_delete(desk: Desk, user: str) -> None:
    desk.amending.edit("ann", REF, "secret")
    desk.amending.delete(user, REF)
    told = desk.rooms.told[-1]
    assert told["event"] == "message-deleted"
    assert told["data"] == {
        "roomId": "room456", "messageId": ID, "revision": 2, "seq": 7, "offset": 9,
        "deletedAt": desk.state.deleted_at,
    }  # fmt: skip
    assert (desk.state.content, desk.deleted) == ("", [REF])
    assert desk.history.versions(REF) == []


def test_deleting_again_tells_nobody_anything(desk: Desk) -> None:
    desk.amending.delete("ann", REF)
    at = desk.state.deleted_at
    desk.amending.delete("mod", REF)
    assert (len(desk.rooms.told), desk.state.deleted_at) == (1, at)


def test_delete_is_refused_when_a_plain_member_asks(desk: Desk) -> None:
    with pytest.raises(Forbidden):
        desk.amending.delete("bob", REF)
    assert (desk.state.deleted_at, desk.deleted, desk.rooms.intents) == (None, [], [])


def test_nothing_more_can_be_done_with_a_deleted_message(desk: Desk) -> None:
    desk.amending.delete("ann", REF)
    with pytest.raises(MessageDeleted):
        desk.amending.edit("ann", REF, "ho")
    with pytest.raises(MessageDeleted):
        desk.amending.react("bob", REF, "👍", None)
    assert desk.amending.versions("ann", REF) == []


def test_reactions_are_told_with_all_that_the_message_has(desk: Desk) -> None:
    assert desk.amending.react("bob", REF, "👍", None) == ("added", {"👍": ["bob"]})
    assert desk.amending.react("cid", REF, "👍", False) == ("added", {"👍": ["bob", "cid"]})
    assert desk.amending.react("bob", REF, "👍", True) == ("removed", {"👍": ["cid"]})
    assert desk.amending.react("cid", REF, "👍", None) == ("removed", {})
    assert [each["data"]["action"] for each in desk.rooms.told] == ["added", "added", "removed", "removed"]
    assert desk.rooms.told[1]["data"] == {
        "roomId": "room456", "messageId": ID, "revision": 2, "emoji": "👍", "userId": "cid", "action": "added",
        "reactions": {"👍": ["bob", "cid"]}, "offset": 9,
    }  # fmt: skip
    assert desk.rooms.revisions == [1, 2, 3, 4]


@pytest.mark.parametrize("remove", [True, False])
def test_nobody_is_told_when_the_reaction_is_as_wanted_already(desk: Desk, remove: bool) -> None:
    if not remove:
        desk.amending.react("bob", REF, "👍", False)
    told = len(desk.rooms.told)
    assert desk.amending.react("bob", REF, "👍", remove).action == "none"
    assert (len(desk.rooms.told), desk.rooms.intents) == (told, [])


@pytest.mark.parametrize(
    "emoji",
    ["👍", "👩‍👩‍👧‍👦", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "❤️", ":shipit:", "+1"],
)
def test_anything_that_can_be_seen_is_an_emoji(desk: Desk, emoji: str) -> None:
    assert desk.amending.react("bob", REF, emoji, None).reactions == {emoji: ["bob"]}


@pytest.mark.parametrize("emoji", ["", " ", "a b", "\n", "\u200b", "\x00", "x" * 33, "\u202e"])
def test_it_is_refused_when_it_is_no_emoji(desk: Desk, emoji: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        desk.amending.react("bob", REF, emoji, None)
    assert raised.value.field == "emoji"


def test_reactions_have_a_bound(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from chat.services import amending

    monkeypatch.setattr(amending, "REACTION_KINDS_LIMIT", 2)
    monkeypatch.setattr(amending, "REACTIONS_LIMIT", 3)
    for emoji in "👍❤":
        desk.amending.react("bob", REF, emoji, None)
    with pytest.raises(LimitReached):
        desk.amending.react("bob", REF, "😀", None)
    desk.amending.react("cid", REF, "👍", None)
    with pytest.raises(LimitReached):
        desk.amending.react("dan", REF, "👍", None)
    assert desk.rooms.intents == []
    assert desk.amending.react("cid", REF, "👍", True).reactions == {"👍": ["bob"], "❤": ["bob"]}


@pytest.mark.parametrize("text", ["", "x", "room456.7", "a b.7.abcd1234", "room456.7.", "room456.-7.abcd1234"])
def test_text_is_refused_when_it_is_no_message_id(text: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        ref_of(text)
    assert raised.value.field == "messageId"


def test_it_is_not_found_when_there_is_no_such_message(desk: Desk) -> None:
    with pytest.raises(MessageNotFound):
        desk.amending.edit("ann", REF._replace(seq=8), "ho")


def test_the_note_stays_when_the_store_fails_in_the_middle(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise StoreUnavailable("replace")

    monkeypatch.setattr(desk.store, "replace", fail)
    with pytest.raises(StoreUnavailable):
        desk.amending.edit("ann", REF, "ho")
    [intent] = desk.rooms.intents
    monkeypatch.undo()
    desk.telling.finish(intent)
    assert desk.rooms.told[-1]["data"]["message"]["content"] == "hi"


def test_the_sweep_tells_what_a_crash_left_untold(desk: Desk) -> None:
    def crash() -> None:
        raise BrokerUnavailable("append event")

    desk.rooms.before_telling = crash
    for act in (lambda: desk.amending.react("bob", REF, "👍", None), lambda: desk.amending.delete("ann", REF)):
        with pytest.raises(BrokerUnavailable):
            act()
    desk.rooms.before_telling = lambda: None
    first, second = desk.rooms.intents
    desk.telling.finish(first)
    desk.telling.finish(second)
    assert [each["event"] for each in desk.rooms.told] == ["message-deleted", "message-deleted"]


def test_a_deletion_is_told_instead_when_it_came_between_a_reaction_and_its_telling(desk: Desk) -> None:
    def delete() -> None:
        desk.rooms.before_telling = lambda: None
        desk.amending.delete("ann", REF)

    desk.rooms.before_telling = delete
    desk.amending.react("bob", REF, "👍", None)
    assert [each["event"] for each in desk.rooms.told] == ["message-deleted", "message-deleted"]
