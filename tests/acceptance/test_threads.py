"""Replies as clients see them: counted in the message they answer, live and in history, and read page by page."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.chat_client import ChatClient, Refused
from tests.support.chat_system import ChatSystem
from tests.support.pair import Pair


class Talk(Pair):
    """Ann and Bob in a room, with one stored message of Ann's to answer."""

    def __init__(self, system: ChatSystem, room: str) -> None:
        super().__init__(system, room)
        self.id = self.say(self.ann, "shall we?")

    def say(self, client: ChatClient, content: str, reply_to: str | None = None) -> str:
        data = {"roomId": self.room, "content": content, "reply_to": reply_to}
        message: str = client.ask("send-chat-message", data)["id"]
        return message

    def parent(self, client: ChatClient | None = None) -> dict[str, Any]:
        found: dict[str, Any] = next(
            each for each in (client or self.bob).history(self.room) if each["id"] == self.id
        )
        return found

    def until_shown(self, client: ChatClient, count: int) -> dict[str, Any]:
        """Return the newest update of the message, once it shows so many replies."""

        def told() -> dict[str, Any] | None:
            updates = [each["message"] for each in client.of("message-updated") if each["messageId"] == self.id]
            return updates[-1] if updates and updates[-1]["reply_count"] == count else None

        return client.until(told)

    def replies(self, **asked: int) -> dict[str, Any]:
        found: dict[str, Any] = self.bob.ask("get-replies", {"messageId": self.id, **asked})
        return found


@pytest.fixture
def talk(system: ChatSystem, room: str) -> Talk:
    return Talk(system, room)


def test_everyone_sees_the_count_live_and_in_history(talk: Talk) -> None:
    assert "reply_count" not in talk.parent()
    sent = [talk.say(talk.bob, f"yes {number}", talk.id) for number in range(5)]
    shown = talk.until_shown(talk.ann, 5)
    assert talk.until_shown(talk.bob, 5) == shown
    page = talk.replies()
    assert [each["id"] for each in page["messages"]] == sent
    assert page["has_more"] is False
    assert shown["last_reply_at"] == page["messages"][-1]["created_at"]
    assert shown["edited_at"] is None
    assert talk.parent() == shown


def test_a_deleted_reply_is_counted_no_more(talk: Talk) -> None:
    first, second = (talk.say(talk.bob, text, talk.id) for text in ("yes", "no"))
    talk.until_shown(talk.ann, 2)
    talk.bob.ask("delete-chat-message", {"messageId": second})
    shown = talk.until_shown(talk.ann, 1)
    [left] = talk.replies()["messages"]
    assert (left["id"], shown["last_reply_at"]) == (first, left["created_at"])
    talk.bob.ask("delete-chat-message", {"messageId": first})
    assert talk.until_shown(talk.ann, 0)["last_reply_at"] is None
    assert talk.replies()["messages"] == []


def test_replies_are_read_page_by_page_over_http_too(talk: Talk) -> None:
    sent = [talk.say(talk.bob, f"yes {number}", talk.id) for number in range(5)]
    talk.until_shown(talk.bob, 5)
    first = talk.replies(limit=2)
    assert ([each["id"] for each in first["messages"]], first["has_more"]) == (sent[:2], True)
    path = f"/api/v1/messages/{talk.id}/replies?limit=3&after={first['messages'][-1]['seq']}"
    rest = talk.system.get(path, talk.tokens["ann"])
    assert (rest.status_code, [each["id"] for each in rest.json()["messages"]]) == (200, sent[2:])
    assert rest.json()["has_more"] is False
    assert talk.system.get(path, talk.tokens["eve"]).status_code == 403
    assert talk.system.get(path).status_code == 401


def test_an_answer_to_nothing_is_taken_and_counted_nowhere(talk: Talk) -> None:
    for unknown in (f"{talk.room}.999.abcd1234", talk.id[:-8] + "zzzzzzzz"):
        talk.say(talk.bob, "to whom?", unknown)
    talk.say(talk.bob, "to you", talk.id)
    assert talk.until_shown(talk.ann, 1)
    with pytest.raises(Refused) as raised:
        talk.bob.ask("get-replies", {"messageId": f"{talk.room}.999.abcd1234"})
    assert raised.value.code == "message-not-found"


def test_a_tombstone_is_answered_and_counts_nothing(talk: Talk) -> None:
    talk.ann.ask("delete-chat-message", {"messageId": talk.id})
    other = talk.say(talk.ann, "another one")
    reply = talk.say(talk.bob, "too late", talk.id)
    talk.say(talk.bob, "in time", other)
    talk.id, gone = other, talk.id
    talk.until_shown(talk.ann, 1)  # marks are served together: this one came behind
    talk.id = gone
    assert "reply_count" not in talk.parent()
    assert [each["id"] for each in talk.replies()["messages"]] == [reply]


def test_who_was_away_gets_the_count_in_its_place(talk: Talk) -> None:
    away = {talk.room: {"epoch": talk.at["epoch"], "offset": talk.at["offset"]}}
    talk.say(talk.bob, "yes", talk.id)
    shown = talk.until_shown(talk.bob, 1)
    late = talk.system.client(talk.tokens["ann"])
    assert late.join(talk.room, since=away)["recovered"] is True
    assert late.of("message-updated")[-1]["message"] == shown
    missed = [each for each in late.events if "offset" in each["data"] and each["event"] != "room-updated"]
    assert [each["event"] for each in missed] == ["new-chat-message", "new-chat-message", "message-updated"]
    assert late.of("message-updated") == talk.bob.of("message-updated")


@pytest.mark.parametrize(
    ("data", "field"),
    [({}, "messageId"), ({"messageId": "nonsense"}, "messageId"), ({"messageId": "x", "limit": 0}, "limit")],
)
def test_what_is_wrong_is_named(talk: Talk, data: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as raised:
        talk.bob.ask("get-replies", data)
    assert raised.value.field == field
