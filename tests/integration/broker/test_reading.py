"""Counting in rooms of several shards on a real server: one round trip, and one script call where that may be."""

from __future__ import annotations

import pytest

from chat.broker import keys
from chat.broker.reading import PAIRS_PER_CALL, RedisReading
from chat.model.cursor import Cursor, Standing
from tests.support.rooms import Room

ROOMS = [f"room-{number}" for number in range(6)]
SHARDS = len({keys.shard_of(room_id) for room_id in ROOMS})


@pytest.fixture(params=[False, True], ids=["alone", "in a cluster"])
def reading(request: pytest.FixtureRequest, client) -> RedisReading:
    """Six rooms of 3 messages, of which ann has read 0 to 2."""
    for room_id in ROOMS:
        Room(client, room_id).warm(3)
    found = RedisReading(client, is_cluster=request.param)
    found.load({(room_id, "ann"): Cursor(number % 3) for number, room_id in enumerate(ROOMS)})
    return found


def script_calls(client) -> int:
    told = client.info("commandstats")
    return int(sum(told.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("eval", "evalsha")))


def test_rooms_of_several_shards_are_counted(reading):
    expected = {(room_id, "ann"): Standing(number % 3, 3, 3 - number % 3) for number, room_id in enumerate(ROOMS)}
    assert SHARDS > 1
    assert reading.count([(room_id, "ann") for room_id in ROOMS]) == expected
    assert reading.look("ann", ROOMS) == (set(), expected)


def test_one_script_call_serves_all_shards_unless_they_lie_in_a_cluster(reading, client, request):
    reading.look("ann", ROOMS)
    before = script_calls(client)
    reading.look("ann", ROOMS)
    is_alone = "alone" in request.node.name
    assert script_calls(client) - before == (1 if is_alone else SHARDS)


def test_a_script_call_counts_a_bounded_number_of_pairs(reading, client):
    pairs = [(ROOMS[0], f"user-{number}") for number in range(PAIRS_PER_CALL + 1)]
    reading.count(pairs[:1])
    before = script_calls(client)
    assert set(reading.count(pairs)) == set(pairs)
    assert script_calls(client) - before == 2
