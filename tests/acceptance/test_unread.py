"""Unread counts from outside: asked for, told to other devices, and in the public keys."""

from __future__ import annotations

import pytest

from tests.support.chat_client import ChatClient
from tests.support.chat_system import ChatSystem
from tests.support.wait import eventually


@pytest.fixture
def people(system: ChatSystem, room: str) -> tuple[ChatClient, ChatClient, str]:
    """Ann and Ben in a group with one more, Cleo, and Ben is connected without having joined it."""
    names = [f"{user}-{room}" for user in ("ann", "ben", "cleo")]
    made = system.post("/api/v1/rooms", {"id": room, "type": "group", "members": names[1:]}, system.token(names[0]))
    assert made.status_code == 201
    ann, ben = (system.client(system.token(name)) for name in names[:2])
    ann.join(room)
    ben.ask("heartbeat")
    return ann, ben, names[1]


def test_devices_that_have_not_joined_are_told_when_a_message_comes(
    system: ChatSystem, room: str, people: tuple[ChatClient, ChatClient, str]
) -> None:
    ann, ben, ben_id = people
    ann.say(room, "one")
    ben.until(lambda: ben.of("unread-counts")[-1:] == [{"roomId": room, "unread": 1, "total": 1}])
    ann.say(room, "two")
    ben.until(lambda: ben.of("unread-counts")[-1:] == [{"roomId": room, "unread": 2, "total": 2}])
    redis = system.redis
    assert redis.get(f"chat:unread:{ben_id}:{room}") == redis.get(f"chat:total_unread:{ben_id}") == "2"
    assert 3500 < redis.ttl(f"chat:unread:{ben_id}:{room}") <= 3600
    assert 3500 < redis.ttl(f"chat:total_unread:{ben_id}") <= 3600
    assert redis.get(f"chat:unread:ann-{room}:{room}") == "0"  # one's own messages are read
    assert ann.of("unread-counts") == []


def test_a_counter_that_is_gone_is_back_when_somebody_asked(
    system: ChatSystem, room: str, people: tuple[ChatClient, ChatClient, str]
) -> None:
    ann, ben, ben_id = people
    ann.say(room, "one")
    redis, own, total = system.redis, f"chat:unread:{ben_id}:{room}", f"chat:total_unread:{ben_id}"
    for gone in ([own], [total], [own, total]):
        eventually(lambda: redis.get(own) == redis.get(total) == "1")
        redis.delete(*gone)
        assert ben.ask("get-unread-counts")["total"] == 1
    eventually(lambda: redis.get(own) == redis.get(total) == "1")


def test_the_other_devices_are_told_when_one_has_seen(
    system: ChatSystem, room: str, people: tuple[ChatClient, ChatClient, str]
) -> None:
    ann, ben, ben_id = people
    phone = system.client(system.token(ben_id))
    phone.join(room)
    ann.say(room, "one")
    ann.say(room, "two")
    phone.until(lambda: len(phone.shown(room)) == 2)
    phone.ask("mark-messages-seen", {"roomId": room, "seq": 2})
    for each in (ben, phone):
        each.until(lambda each=each: {"roomId": room, "unread": 0, "total": 0} in each.of("unread-counts"))  # type: ignore[misc]
    eventually(lambda: system.redis.get(f"chat:unread:{ben_id}:{room}") == "0")
    assert ben.ask("get-unread-counts") == {"total": 0, "rooms": {room: 0}, "mentions": {}, "totalMentions": 0}


def test_counters_come_back_when_they_are_gone(
    system: ChatSystem, room: str, people: tuple[ChatClient, ChatClient, str]
) -> None:
    ann, ben, ben_id = people
    ann.say(room, "one")
    ben.until(lambda: ben.of("unread-counts"))
    redis = system.redis
    redis.delete(f"chat:unread:{ben_id}:{room}", f"chat:total_unread:{ben_id}")
    told = system.get("/api/v1/unread", system.token(ben_id)).json()
    assert told == {"total": 1, "rooms": {room: 1}, "mentions": {}, "totalMentions": 0}
    eventually(lambda: redis.get(f"chat:unread:{ben_id}:{room}") == redis.get(f"chat:total_unread:{ben_id}") == "1")


def test_a_guest_is_told_of_the_rooms_it_is_in(system: ChatSystem, room: str) -> None:
    ann, guest = system.client(system.token("ann")), system.client()
    ann.join(room)
    guest.join(room)
    ann.say(room, "hello")
    guest.until(lambda: guest.shown(room))
    assert guest.ask("get-unread-counts") == {"total": 1, "rooms": {room: 1}, "mentions": {}, "totalMentions": 0}


@pytest.mark.parametrize(
    ("event", "data"),
    [("get-unread-counts", {}), ("get-presence", {"userIds": ["nobody"]})],
    ids=lambda each: str(each),
)
def test_whoever_asks_by_socket_alone_has_their_rooms_cached(
    system: ChatSystem, room: str, people: tuple[ChatClient, ChatClient, str], event: str, data: dict[str, object]
) -> None:
    _, ben, ben_id = people
    system.redis.delete(f"chat:user_rooms:{ben_id}")
    ben.ask(event, data)
    assert system.redis.smembers(f"chat:user_rooms:{ben_id}") == {room}
