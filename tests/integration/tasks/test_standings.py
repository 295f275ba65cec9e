"""Where a user stands everywhere, on a real Valkey: in one round trip, and never from what one only remembers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import redis

from chat.broker import keys
from chat.model.cursor import Standing
from chat.services.standings import Standings
from tests.support.reading import ReadingScene


class Scene(ReadingScene):
    """ann and bob in two rooms; it counts who asks the membership cache."""

    def __init__(self, client: redis.Redis, folder: Path) -> None:
        super().__init__(client, folder)
        self.asked = 0
        self.standings = Standings(self.reading, self.unread, self.rooms_of)
        for room_id in ("r1", "r2"):
            self.make(room_id, ["ann", "bob"])
        self.send("r1", "ann", count=3)

    def rooms_of(self, user_id: str) -> set[str]:
        self.asked += 1
        rooms = self.rooms.of_user.of(user_id)
        if rooms:
            self.client.sadd(keys.user_rooms(user_id), *rooms)
        return set(rooms)

    def unread_of(self, user_id: str) -> dict[str, int]:
        return {room_id: each.unread for (room_id, _), each in self.standings.of(user_id).items()}


@pytest.fixture
def scene(redis_url: str, tmp_path: Path) -> Any:
    with redis.Redis.from_url(redis_url, socket_timeout=5) as client:
        yield Scene(client, tmp_path)


def test_the_cache_is_asked_once_when_the_rooms_stay_the_same(scene: Scene) -> None:
    for _ in range(3):
        assert scene.unread_of("bob") == {"r1": 3, "r2": 0}
    assert scene.asked == 1


def test_a_new_room_counts_when_it_was_not_remembered(scene: Scene) -> None:
    assert scene.unread_of("bob") == {"r1": 3, "r2": 0}
    scene.make("r3", ["ann", "bob"])
    scene.client.delete(keys.user_rooms("bob"))  # what every change of a membership does
    assert scene.unread_of("bob") == {"r1": 3, "r2": 0, "r3": 0}


def test_a_room_counts_no_more_when_one_has_left_it(scene: Scene) -> None:
    assert scene.unread_of("bob") == {"r1": 3, "r2": 0}
    scene.client.srem(keys.user_rooms("bob"), "r1")
    scene.rooms.of_user.remove("bob", ["r1"])
    assert scene.unread_of("bob") == {"r2": 0}


def test_positions_are_read_from_the_store_when_redis_has_forgotten_them(scene: Scene) -> None:
    scene.settle()
    assert scene.unread_of("bob") == {"r1": 3, "r2": 0}
    scene.client.delete(keys.read("r1"), keys.head("r2"))
    assert scene.standings.of("bob") == {("r1", "bob"): Standing(0, 3, 3), ("r2", "bob"): Standing(0, 0, 0)}
    assert scene.asked == 1


def test_nothing_is_unread_when_one_is_in_no_room(scene: Scene) -> None:
    assert scene.unread_of("eve") == {}
    assert scene.unread_of("eve") == {}
