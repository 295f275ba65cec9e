"""Mentions as clients see them: shown in the message, and counted for who is named until it is read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.chat_client import ChatClient, Refused
from tests.support.chat_system import ChatSystem
from tests.support.wait import eventually


class Talk:
    """Ann and Bob are members of a group."""

    def __init__(self, system: ChatSystem, room: str) -> None:
        self.system = system
        self.names = {name: f"{name}-{room}" for name in ("ann", "bob")}
        self.tokens = {name: system.token(self.names[name]) for name in self.names}
        created = system.post("/api/v1/rooms", {"type": "group", "members": [self.bob_id]}, self.tokens["ann"])
        self.room: str = created.json()["id"]
        self.ann, self.bob = (system.client(self.tokens[name]) for name in ("ann", "bob"))
        self.ann.join(self.room)

    @property
    def bob_id(self) -> str:
        return self.names["bob"]

    def say(self, content: str, metadata: Any = None, client: ChatClient | None = None) -> dict[str, Any]:
        data = {"roomId": self.room, "content": content, "metadata": metadata}
        sent: dict[str, Any] = (client or self.ann).ask("send-chat-message", data)
        return sent

    def mentions(self, client: ChatClient | None = None) -> int:
        told = (client or self.bob).ask("get-unread-counts")
        assert told["totalMentions"] == sum(told["mentions"].values())
        return int(told["mentions"].get(self.room, 0))


@pytest.fixture
def talk(system: ChatSystem, room: str) -> Talk:
    return Talk(system, room)


def test_who_is_named_counts_it_until_it_is_read(talk: Talk) -> None:
    talk.say("good morning")
    first = talk.say(f"@{talk.bob_id}, are you there?")
    talk.say("nobody here", {"mentions": [talk.bob_id], "colour": "red"})
    assert eventually(lambda: talk.mentions() == 2)
    over_http = talk.system.get("/api/v1/unread", talk.tokens["bob"]).json()
    assert (over_http["mentions"], over_http["totalMentions"]) == ({talk.room: 2}, 2)
    assert over_http["rooms"][talk.room] == 3
    talk.bob.ask("mark-messages-seen", {"roomId": talk.room, "seq": first["seq"]})
    assert talk.mentions() == 1
    talk.bob.ask("mark-messages-seen", {"roomId": talk.room, "seq": 3})
    assert talk.bob.ask("get-unread-counts")["mentions"] == {}
    assert talk.mentions(talk.ann) == 0


def test_a_message_shows_whom_it_names(talk: Talk) -> None:
    talk.say(f"@{talk.bob_id}. And @you, too", {"mentions": ["cleo"], "colour": "red"})
    talk.say("mail me@example.org")
    shown = talk.ann.until(lambda: talk.ann.shown(talk.room)[1:]) and talk.ann.shown(talk.room)
    assert [each["metadata"] for each in shown] == [{"mentions": ["cleo", talk.bob_id, "you"], "colour": "red"}, {}]


def test_a_deleted_message_names_nobody(talk: Talk) -> None:
    sent = talk.say(f"hey @{talk.bob_id}")
    assert eventually(lambda: talk.mentions() == 1)
    talk.ann.ask("delete-chat-message", {"messageId": sent["id"]})
    assert talk.mentions() == 0


def test_an_edit_changes_nobodys_count(talk: Talk) -> None:
    named = talk.say(f"hey @{talk.bob_id}")
    plain = talk.say("hey")
    assert eventually(lambda: talk.mentions() == 1)
    talk.ann.ask("edit-chat-message", {"messageId": plain["id"], "content": f"hey @{talk.bob_id}"})
    edited = talk.ann.ask("edit-chat-message", {"messageId": named["id"], "content": "hey you"})["message"]
    assert edited["metadata"] == {"mentions": [talk.bob_id]}
    assert talk.mentions() == 1


@pytest.mark.parametrize("mentions", ["bob", ["a b"], [7], [f"u{n}" for n in range(51)], None])
def test_a_list_that_names_no_users_is_refused(talk: Talk, mentions: Any) -> None:
    with pytest.raises(Refused) as raised:
        talk.say("hey", {"mentions": mentions})
    assert raised.value.field == "metadata"
