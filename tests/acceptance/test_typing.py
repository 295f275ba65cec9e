"""Typing through real sockets: the others see it within a moment, and it ends whatever the typist does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.chat_client import ChatClient, Refused
from tests.support.chat_system import ChatSystem
from tests.support.wait import eventually


@pytest.fixture
def pair(system: ChatSystem, room: str) -> tuple[ChatClient, ChatClient]:
    """Ann and Ben, both in the room."""
    ann, ben = (system.client(system.token(user_id)) for user_id in ("ann", "ben"))
    for each in (ann, ben):
        each.join(room)
    return ann, ben


def types(client: ChatClient, room: str, is_typing: bool = True) -> None:
    client.ask("chat-typing", {"roomId": room, "isTyping": is_typing})


def told(client: ChatClient, room: str) -> list[bool]:
    return [each["isTyping"] for each in client.of("chat-user-typing") if each["roomId"] == room]


def test_the_others_are_told_and_the_key_is_there_when_somebody_types(
    system: ChatSystem, room: str, pair: tuple[ChatClient, ChatClient]
) -> None:
    ann, ben = pair
    types(ann, room)
    ben.until(lambda: told(ben, room))
    (data,) = ben.of("chat-user-typing")
    assert (data["userId"], data["userName"], data["isTyping"]) == ("ann", "Ann", True)
    assert 0 < system.redis.ttl(f"chat:typing:{room}:ann") <= 3
    ben.until(lambda: told(ben, room) == [True, False])  # by itself
    eventually(lambda: not system.redis.exists(f"chat:typing:{room}:ann"))
    assert ann.of("chat-user-typing") == []


@pytest.mark.parametrize("end", ["stop", "message", "leave", "drop"])
def test_typing_ends_at_once_when_the_typist_is_done(
    system: ChatSystem, room: str, pair: tuple[ChatClient, ChatClient], end: str
) -> None:
    ann, ben = pair
    types(ann, room)
    ben.until(lambda: told(ben, room))
    ends: dict[str, Callable[[], object]] = {
        "stop": lambda: types(ann, room, False),
        "message": lambda: ann.say(room, "done"),
        "leave": lambda: ann.ask("leave-chat-rooms", {"roomIds": [room]}),
        "drop": ann.drop,
    }
    ends[end]()
    ben.until(lambda: told(ben, room) == [True, False], 2)  # sooner than by itself
    eventually(lambda: not system.redis.exists(f"chat:typing:{room}:ann"))


def test_only_members_type(system: ChatSystem) -> None:
    made = system.post("/api/v1/rooms", {"type": "group", "members": ["ben"]}, system.token("ann")).json()
    eve = system.client(system.token("eve"))
    with pytest.raises(Refused) as refusal:
        types(eve, made["id"])
    assert refusal.value.code == "not-a-member"


def test_the_field_is_named_when_it_is_missing(system: ChatSystem, room: str) -> None:
    ann = system.client(system.token("ann"))
    for data, field in (({"roomId": room}, "isTyping"), ({"isTyping": True}, "roomId")):
        with pytest.raises(Refused) as refusal:
            ann.ask("chat-typing", data)
        assert refusal.value.field == field
