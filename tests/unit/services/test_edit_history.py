from __future__ import annotations

import pytest

from chat.errors import LimitReached
from chat.model.amendments import MessageState
from chat.model.ids import MessageRef
from chat.services import edit_history
from chat.services.edit_history import EditHistory, Version
from chat.store.sqlite import SqliteStore

REF = MessageRef("room456", 7, "abcd1234")


def state(content: str, revision: int, edited_at: str | None = None) -> MessageState:
    return MessageState("room456.7.abcd1234", 7, "room456", "ann", content, "created", edited_at, revision=revision)


@pytest.fixture
def history(tmp_path):
    store = SqliteStore(tmp_path / "chat.db")
    yield EditHistory(store)
    store.close()


def test_versions_come_oldest_first_with_the_time_since_when_they_held(history: EditHistory) -> None:
    history.keep(REF, state("one", 0))
    history.keep(REF, state("ten", 10, "later"))
    history.keep(REF, state("two", 2, "then"))
    assert history.versions(REF) == [Version("one", "created"), Version("two", "then"), Version("ten", "later")]


def test_a_version_is_kept_once_when_the_edit_is_tried_again(history: EditHistory) -> None:
    for _ in range(3):
        history.keep(REF, state("one", 0))
    assert history.versions(REF) == [Version("one", "created")]


def test_nothing_is_left_when_the_message_is_deleted(history: EditHistory) -> None:
    history.keep(REF, state("one", 0))
    history.forget(REF)
    history.forget(REF)
    assert history.versions(REF) == []


def test_an_edit_too_many_is_refused(history: EditHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edit_history, "EDITS_LIMIT", 3)
    for revision in range(3):
        history.keep(REF, state("again", revision))
    with pytest.raises(LimitReached) as raised:
        history.keep(REF, state("again", 3))
    assert raised.value.field == "messageId"


def test_reactions_do_not_count_as_edits(history: EditHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edit_history, "EDITS_LIMIT", 3)
    history.keep(REF, state("after many reactions", 500))
    assert len(history.versions(REF)) == 1
