"""Edits, deletions and reactions as clients see them: live, replayed and in history alike."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.support.chat_client import ChatClient, Refused
from tests.support.chat_system import ChatSystem
from tests.support.pair import Pair


class Talk(Pair):
    """Ann and Bob in a room, with one stored message of Ann's."""

    def __init__(self, system: ChatSystem, room: str) -> None:
        super().__init__(system, room)
        self.id: str = self.ann.say(room, "hello", "t-1")["id"]
        self.ann.until(lambda: self.ann.confirmed())

    def rest(self, method: str, path: str, who: str, body: Any = None) -> requests.Response:
        return self.system.request(method, f"/api/v1/{path}", body, self.tokens[who])

    def message(self, client: ChatClient | None = None) -> dict[str, Any]:
        [message] = (client or self.bob).history(self.room)
        return message

    def told(self, client: ChatClient, event: str, count: int = 1) -> dict[str, Any]:
        last: dict[str, Any] = client.until(lambda: client.of(event)[count - 1 :])[0]
        return last


@pytest.fixture
def talk(system: ChatSystem, room: str) -> Talk:
    return Talk(system, room)


def test_everyone_sees_the_edit_live_and_in_history(talk: Talk) -> None:
    answer = talk.ann.ask("edit-chat-message", {"messageId": talk.id, "content": "hello there"})
    for each in (talk.ann, talk.bob):
        told = talk.told(each, "message-updated")
        assert (told["roomId"], told["messageId"]) == (talk.room, talk.id)
        assert told["message"]["content"] == "hello there"
        assert told["message"]["edited_at"] is not None
        assert talk.message(each) == told["message"] == answer["message"]


def test_everyone_sees_the_deletion_and_only_a_tombstone_is_left(talk: Talk) -> None:
    talk.ann.ask("edit-chat-message", {"message_id": talk.id, "content": "secret"})
    talk.ann.ask("delete-chat-message", {"message_id": talk.id})
    told = [talk.told(each, "message-deleted") for each in (talk.ann, talk.bob)]
    assert told[0] == told[1]
    tombstone = talk.message()
    assert (told[0]["messageId"], told[0]["seq"]) == (talk.id, 1)
    assert (tombstone["deleted_at"], tombstone["content"]) == (told[0]["deletedAt"], "")
    assert talk.rest("GET", f"messages/{talk.id}/edits", "ann").json() == {"versions": []}


def test_reactions_come_and_go_for_everyone(talk: Talk) -> None:
    me = talk.bob.user_id
    assert talk.bob.ask("react-chat-message", {"messageId": talk.id, "emoji": "👍"})["reactions"] == {"👍": [me]}
    assert talk.told(talk.ann, "message-reaction")["action"] == "added"
    assert talk.message()["reactions"] == {"👍": [me]}
    talk.bob.ask("react-chat-message", {"messageId": talk.id, "emoji": "👍", "remove": True})
    told = talk.told(talk.ann, "message-reaction", 2)
    assert (told["action"], told["userId"], told["reactions"]) == ("removed", me, {})
    assert talk.message()["reactions"] == {}


def test_who_was_away_gets_all_of_it_in_order_and_with_the_same_offsets(talk: Talk) -> None:
    away = {talk.room: {"epoch": talk.at["epoch"], "offset": talk.at["offset"]}}
    talk.bob.ask("react-chat-message", {"messageId": talk.id, "emoji": "👍"})
    talk.ann.ask("edit-chat-message", {"messageId": talk.id, "content": "hello there"})
    talk.ann.say(talk.room, "more", "t-2")
    talk.ann.ask("delete-chat-message", {"messageId": talk.id})
    talk.told(talk.bob, "message-deleted")
    late = talk.system.client(talk.tokens["bob"])
    assert late.join(talk.room, since=away)["recovered"] is True

    def durable(client: ChatClient) -> list[tuple[str, int]]:
        return [
            (each["event"], each["data"]["offset"])
            for each in client.events
            if isinstance(each["data"].get("offset"), int) and each["event"] != "room-updated"
        ]

    assert [event for event, _ in durable(late)] == [
        "new-chat-message", "message-reaction", "message-updated", "new-chat-message", "message-deleted",
    ]  # fmt: skip
    assert durable(late) == durable(talk.bob)


@pytest.mark.parametrize(
    ("event", "data"),
    [
        ("edit-chat-message", {"content": "mine now"}),
        ("delete-chat-message", {}),
    ],
)
def test_others_can_not_change_a_message(talk: Talk, event: str, data: dict[str, Any]) -> None:
    with pytest.raises(Refused) as raised:
        talk.bob.ask(event, {"messageId": talk.id, **data})
    assert (raised.value.code, raised.value.field) == ("forbidden", "messageId")
    assert talk.message()["content"] == "hello"


@pytest.mark.parametrize(
    ("event", "data", "field"),
    [
        ("edit-chat-message", {"content": "x"}, "messageId"),
        ("edit-chat-message", {"messageId": "nonsense", "content": "x"}, "messageId"),
        ("edit-chat-message", {"messageId": 7, "content": "x"}, "messageId"),
        ("edit-chat-message", {"messageId": "{id}"}, "content"),
        ("edit-chat-message", {"messageId": "{id}", "content": " "}, "content"),
        ("edit-chat-message", {"messageId": "{id}", "content": "x" * 20_000}, "content"),
        ("edit-chat-message", {"messageId": "{room}.999.abcd1234", "content": "x"}, "messageId"),
        ("delete-chat-message", {}, "messageId"),
        ("delete-chat-message", {"messageId": "{room}.1.abcd1234"}, "messageId"),
        ("react-chat-message", {"messageId": "{id}"}, "emoji"),
        ("react-chat-message", {"messageId": "{id}", "emoji": ""}, "emoji"),
        ("react-chat-message", {"messageId": "{id}", "emoji": "a b"}, "emoji"),
        ("react-chat-message", {"messageId": "{id}", "emoji": "👍", "remove": "yes"}, "remove"),
    ],
)
def test_what_is_wrong_is_named(talk: Talk, event: str, data: dict[str, Any], field: str) -> None:
    filled = {
        name: each.replace("{id}", talk.id).replace("{room}", talk.room) if isinstance(each, str) else each
        for name, each in data.items()
    }
    with pytest.raises(Refused) as raised:
        talk.ann.ask(event, filled)
    assert raised.value.field == field
    assert talk.message()["content"] == "hello"


def test_the_same_is_done_over_http(talk: Talk) -> None:
    edited = talk.rest("PATCH", f"messages/{talk.id}", "ann", {"content": "hello there"})
    assert (edited.status_code, edited.json()["content"]) == (200, "hello there")
    assert talk.told(talk.bob, "message-updated")["message"] == edited.json()
    versions = talk.rest("GET", f"messages/{talk.id}/edits", "ann").json()["versions"]
    assert [each["content"] for each in versions] == ["hello"]
    reacted = talk.rest("POST", f"messages/{talk.id}/reactions", "bob", {"emoji": "👍"})
    assert (reacted.status_code, reacted.json()) == (200, {"reactions": {"👍": [talk.bob.user_id]}})
    assert talk.rest("DELETE", f"messages/{talk.id}", "bob").status_code == 403
    assert talk.rest("DELETE", f"messages/{talk.id}", "ann").status_code == 204
    assert talk.told(talk.bob, "message-deleted")["messageId"] == talk.id
    assert talk.rest("PATCH", f"messages/{talk.id}", "ann", {"content": "x"}).json()["title"] == "message-deleted"


def test_messages_are_sent_and_read_over_http(talk: Talk) -> None:
    sent = talk.rest("POST", f"rooms/{talk.room}/messages", "bob", {"content": "by post", "temp_id": "p-1"})
    assert (sent.status_code, sent.json()["seq"], sent.json()["state"]) == (201, 2, "pending")
    talk.ann.until(lambda: talk.ann.seqs(talk.room) == [1, 2])
    talk.bob.until(lambda: talk.bob.confirmed()["p-1"] == 1)
    again = talk.rest("POST", f"rooms/{talk.room}/messages", "bob", {"content": "by post", "temp_id": "p-1"})
    assert again.json() == {**sent.json(), "state": "confirmed"}
    page = talk.rest("GET", f"rooms/{talk.room}/messages?limit=1", "ann").json()
    assert [each["seq"] for each in page["messages"]] == [2]
    assert page["has_more"] is True
    assert page["messages"] == talk.bob.ask("get-messages", {"roomId": talk.room, "limit": 1})["messages"]


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("GET", "rooms/{room}/messages?limit=0", None, "limit"),
        ("GET", "rooms/{room}/messages?limit=201", None, "limit"),
        ("GET", "rooms/{room}/messages?before=x", None, "before"),
        ("GET", "rooms/a b/messages", None, "roomId"),
        ("POST", "rooms/{room}/messages", {}, "content"),
        ("POST", "rooms/{room}/messages", {"content": ""}, "content"),
        ("POST", "rooms/{room}/messages", {"content": "x", "temp_id": "a b"}, "temp_id"),
        (
            "POST",
            "rooms/{room}/messages",
            {"content": "x", "attachments": [{"url": "x:1"}]},
            "attachments",
        ),
        ("PATCH", "messages/{id}", {}, "content"),
        ("PATCH", "messages/nonsense", {"content": "x"}, "messageId"),
        ("POST", "messages/{id}/reactions", {}, "emoji"),
    ],
)
def test_a_problem_names_the_field(talk: Talk, method: str, path: str, body: Any, field: str) -> None:
    response = talk.rest(method, path.format(room=talk.room, id=talk.id), "ann", body)
    assert (response.status_code, response.headers["Content-Type"]) == (400, "application/problem+json")
    assert response.json()["field"] == field
