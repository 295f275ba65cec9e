"""A change of a room costs the same round trips however many members it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from chat.broker.events import RedisEvents
from chat.broker.log import RedisRoomLog
from chat.broker.members import RedisMembers
from chat.model.room import Role, RoomType
from chat.services.cold_start import ColdStart
from chat.services.room_list import RoomList
from chat.store.sqlite import SqliteStore
from tests.support.keeping import Keeping

SMALL, LARGE = 10, 10_000
DEEDS: dict[str, Callable[[Keeping], Any]] = {
    "add": lambda keeping: keeping.changes.put_member("c", "ann", "new", None),
    "remove": lambda keeping: keeping.changes.remove_member("c", "ann", "user5"),
    "leave": lambda keeping: keeping.changes.remove_member("c", "user6", "user6"),
    "make an admin": lambda keeping: keeping.changes.put_member("c", "ann", "user7", Role.ADMIN),
    "rename": lambda keeping: keeping.changes.rename("c", "ann", "other"),
    "check a member": lambda keeping: keeping.another().require("c", "user8"),
    "fill the cache": lambda keeping: refilled(keeping),
    "list": lambda keeping: RoomList(keeping.rooms, keeping.store, keeping.caches).page("user4", 50),
    "delete": lambda keeping: keeping.changes.delete("c", "ann"),
}


def refilled(keeping: Keeping) -> None:
    keeping.caches._client.delete("chat:room_members:c")  # type: ignore[union-attr]
    keeping.another().require("c", "user8")


class Counter:
    """Counts what goes to Redis, a pipeline as one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        send = redis.connection.AbstractConnection.send_packed_command

        def counting(connection: Any, *args: Any, **options: Any) -> Any:
            self.count += 1
            return send(connection, *args, **options)

        monkeypatch.setattr(redis.connection.AbstractConnection, "send_packed_command", counting)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, socket_timeout=5) as client:
        yield client


def costs(client: redis.Redis, store: SqliteStore, size: int, counter: Counter) -> dict[str, tuple[int, int]]:
    """Return (round trips to Redis, to the store) of each deed in a channel of this size."""
    client.flushdb()
    events = RedisEvents(client, log_length=1000)
    keeping = Keeping(store, member_limit=LARGE + 10, broker=events, caches=RedisMembers(client))
    keeping.announcer._warm = ColdStart(RedisRoomLog(client), store).warm
    others = [f"user{n}" for n in range(size - 1)]
    keeping.changes.create(RoomType.CHANNEL, "ann", others, room_id="c", name="C")
    keeping.another().require("c", "ann")
    found = {}
    for name, deed in DEEDS.items():
        before = counter.count, store.round_trips
        deed(keeping)
        found[name] = (counter.count - before[0], store.round_trips - before[1])
    return found


def test_ten_thousand_members_cost_no_round_trip_more_than_ten(client, tmp_path, monkeypatch) -> None:
    counter = Counter(monkeypatch)
    found = {}
    for size in (SMALL, LARGE):
        store = SqliteStore(tmp_path / f"{size}.db")
        found[size] = costs(client, store, size, counter)
        store.close()
    print(f"\nround trips to Redis and to the store: {found[LARGE]}")
    assert found[SMALL] == found[LARGE]
