"""The ten public keys on a running stack: type, content and TTL, and that they go when they should."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.chat_client import ChatClient
from tests.support.chat_system import ChatSystem
from tests.support.wait import eventually

# the key with the names of the scene, its type, its TTL in seconds
KEYS: dict[str, tuple[str, int]] = {
    "chat:online:{ben}": ("string", 300),
    "chat:typing:{room}:{ben}": ("string", 3),
    "chat:unread:{ben}:{room}": ("string", 3600),
    "chat:total_unread:{ben}": ("string", 3600),
    "chat:user_rooms:{ben}": ("set", 1800),
    "chat:room_members:{room}": ("set", 1800),
    "chat:last_seen:{ben}": ("string", 86400),
    "chat:connection:{connection}": ("hash", 300),
    "chat:msg_temp:{temp}": ("string", 60),
    "chat:room_online:{room}": ("set", 300),
}


class Scene:
    """Ann has sent two messages to a group of Ben's, who listens and types."""

    def __init__(self, system: ChatSystem, room: str) -> None:
        self.system, self.room, self.redis = system, room, system.redis
        self.ann_id, self.ben_id = f"ann-{room}", f"ben-{room}"
        body = {"id": room, "type": "group", "members": [self.ben_id]}
        assert system.post("/api/v1/rooms", body, system.token(self.ann_id)).status_code == 201
        self.ann, self.ben = self._listener(self.ann_id), self._listener(self.ben_id)
        self.temps = [f"one-{room}", f"two-{room}"]
        for temp_id in self.temps:
            self.ann.say(room, f"says {temp_id}", temp_id)
        self.ben.until(lambda: len(self.ben.confirmed_seqs()) == 2)
        names = {"ben": self.ben_id, "room": room, "temp": self.temps[1]}
        names["connection"] = self.ben.of("welcome")[0]["connectionId"]
        self.names = names

    def key(self, form: str) -> str:
        """Return a key of KEYS."""
        return form.format_map(self.names)

    def get(self, form: str) -> Any:
        """Return what a string of KEYS holds."""
        return self.redis.get(self.key(form))

    def types(self, is_typing: bool = True) -> bool:
        """Tell it; always False."""
        self.ben.ask("chat-typing", {"roomId": self.room, "isTyping": is_typing})
        return False

    def _listener(self, user_id: str) -> ChatClient:
        client = self.system.client(self.system.token(user_id))
        client.join(self.room)
        client.ask("get-unread-counts")
        assert self.system.get("/api/v1/rooms", self.system.token(user_id)).ok  # a cache is filled by who asks
        return client


@pytest.fixture
def scene(system: ChatSystem, room: str) -> Scene:
    return Scene(system, room)


def test_each_key_has_its_type_and_a_ttl_within_the_contract_s(scene: Scene) -> None:
    for form, (kind, ttl_s) in KEYS.items():
        key = scene.key(form)
        if kind == "string" and ttl_s == 3:
            scene.types()
        eventually(lambda key=key: scene.redis.exists(key))  # type: ignore[misc]
        assert scene.redis.type(key) == kind, key
        assert ttl_s - 20 < scene.redis.ttl(key) <= ttl_s, key
        assert scene.redis.pttl(key) > 0, key


def test_the_sets_and_the_connection_name_who_they_are_about(scene: Scene) -> None:
    both = {scene.ann_id, scene.ben_id}
    eventually(lambda: scene.redis.smembers(scene.key("chat:room_online:{room}")) == both)
    assert scene.redis.smembers(scene.key("chat:room_members:{room}")) == both
    eventually(lambda: scene.room in scene.redis.smembers(scene.key("chat:user_rooms:{ben}")))
    held = scene.redis.hgetall(scene.key("chat:connection:{connection}"))
    assert held.keys() == {"user", "server"}
    assert held["user"] == scene.ben_id
    assert held["server"]
    assert (
        scene.redis.hget(f"chat:connection:{scene.ann.of('welcome')[0]['connectionId']}", "server")
        == held["server"]
    )


def test_last_seen_is_a_moment_of_now(scene: Scene) -> None:
    eventually(lambda: scene.get("chat:last_seen:{ben}"))
    at = datetime.fromisoformat(scene.get("chat:last_seen:{ben}"))
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60


def test_the_optimistic_message_is_there_as_it_was_shown(scene: Scene) -> None:
    for temp_id in scene.temps:
        key = f"chat:msg_temp:{temp_id}"
        eventually(lambda key=key: scene.redis.exists(key))  # type: ignore[misc]
        kept = json.loads(str(scene.redis.get(key)))
        [shown] = [each for each in scene.ben.shown(scene.room) if each["temp_id"] == temp_id]
        assert kept == {name: shown[name] for name in kept}
        assert shown.keys() - kept.keys() == {"offset", "confirm_by"}
        assert kept["_temp"] is True


def test_a_message_sent_over_rest_is_there_too(scene: Scene) -> None:
    body = {"content": "by request", "temp_id": f"rest-{scene.room}"}
    sent = scene.system.post(f"/api/v1/rooms/{scene.room}/messages", body, scene.system.token(scene.ann_id)).json()
    kept = eventually(lambda: scene.redis.get(f"chat:msg_temp:rest-{scene.room}"))
    assert json.loads(str(kept))["id"] == sent["id"]


def test_a_repeat_does_not_replace_the_first_message(scene: Scene) -> None:
    key = scene.key("chat:msg_temp:{temp}")
    first = eventually(lambda: scene.redis.get(key))
    scene.ann.say(scene.room, "something else", scene.names["temp"])
    marker = f"after-{scene.room}"
    scene.ann.say(scene.room, "a later one", marker)
    eventually(lambda: scene.redis.exists(f"chat:msg_temp:{marker}"))
    assert scene.redis.get(key) == first


def test_counters_follow_messages_and_marks(scene: Scene) -> None:
    room, total = "chat:unread:{ben}:{room}", "chat:total_unread:{ben}"

    def say(unread: str) -> Callable[[], bool]:
        return lambda: scene.get(room) == scene.get(total) == unread

    eventually(say("2"))
    scene.ann.say(scene.room, "a third")
    eventually(say("3"))
    scene.ben.ask("mark-messages-seen", {"roomId": scene.room, "seq": 2})
    eventually(say("1"))
    scene.ben.ask("mark-messages-seen", {"roomId": scene.room, "seq": 3})
    eventually(say("0"))
    eventually(lambda: scene.redis.get(f"chat:unread:{scene.ann_id}:{scene.room}") == "0")


def test_typing_ends_with_its_word_and_by_itself(scene: Scene) -> None:
    key = scene.key("chat:typing:{room}:{ben}")
    scene.types()
    eventually(lambda: scene.redis.exists(key))
    scene.types(is_typing=False)
    eventually(lambda: not scene.redis.exists(key), 1.5)
    scene.types()  # told when its second is over
    eventually(lambda: scene.redis.exists(key), 2)
    eventually(lambda: not scene.redis.exists(key), 4)


def test_presence_goes_with_the_user_and_last_seen_stays(scene: Scene) -> None:
    online, place = scene.key("chat:online:{ben}"), scene.key("chat:room_online:{room}")
    connection = scene.key("chat:connection:{connection}")
    eventually(lambda: scene.redis.exists(online, connection) == 2 and scene.redis.sismember(place, scene.ben_id))
    before = scene.get("chat:last_seen:{ben}")
    scene.ben.close()
    eventually(lambda: not scene.redis.exists(online, connection), 20)
    eventually(lambda: scene.redis.smembers(place) == {scene.ann_id})
    assert scene.get("chat:last_seen:{ben}") > before
    assert scene.redis.exists(f"chat:online:{scene.ann_id}")


def test_a_removed_member_is_in_no_key_of_the_room(scene: Scene) -> None:
    eventually(lambda: scene.redis.sismember(scene.key("chat:room_online:{room}"), scene.ben_id))
    path = f"/api/v1/rooms/{scene.room}/members/{scene.ben_id}"
    assert scene.system.request("DELETE", path, None, scene.system.token(scene.ann_id)).status_code == 204
    assert not scene.redis.sismember(scene.key("chat:room_members:{room}"), scene.ben_id)
    assert not scene.redis.sismember(scene.key("chat:user_rooms:{ben}"), scene.room)
    eventually(lambda: not scene.redis.sismember(scene.key("chat:room_online:{room}"), scene.ben_id))
    eventually(lambda: scene.get("chat:unread:{ben}:{room}") is None)
    eventually(lambda: scene.get("chat:total_unread:{ben}") in (None, "0"))


def test_nothing_of_a_deleted_room_is_counted(scene: Scene) -> None:
    eventually(lambda: scene.get("chat:total_unread:{ben}") == "2")
    path = f"/api/v1/rooms/{scene.room}"
    assert scene.system.request("DELETE", path, None, scene.system.token(scene.ann_id)).status_code == 204
    eventually(lambda: scene.get("chat:unread:{ben}:{room}") is None)
    eventually(lambda: scene.get("chat:total_unread:{ben}") in (None, "0"))
    assert not scene.redis.exists(scene.key("chat:room_members:{room}"), scene.key("chat:user_rooms:{ben}"))


def test_who_is_added_has_the_room_s_messages_unread(scene: Scene) -> None:
    cleo = f"cleo-{scene.room}"
    client = scene.system.client(scene.system.token(cleo))
    client.ask("get-unread-counts")
    total = f"chat:total_unread:{cleo}"
    eventually(lambda: scene.redis.get(total) == "0")
    path = f"/api/v1/rooms/{scene.room}/members/{cleo}"
    assert scene.system.request("PUT", path, {}, scene.system.token(scene.ann_id)).status_code == 200
    eventually(lambda: scene.redis.get(total) == scene.redis.get(f"chat:unread:{cleo}:{scene.room}") == "2")
    client.until(lambda: client.of("unread-counts")[-1:] == [{"roomId": scene.room, "unread": 2, "total": 2}])
