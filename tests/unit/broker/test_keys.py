from __future__ import annotations

import inspect
import re

import pytest
from redis.crc import key_slot

from chat.broker import keys

SHARDS_OF_OLD = [2, 10, 3]


def of_room(room_id: str) -> list[str]:
    """Return every key that one script may touch for a room."""
    shard = keys.shard_of(room_id)
    return [
        *(keys.head(room_id), keys.log(room_id), keys.dedupe(room_id, "ann", "t1")),
        *(keys.outbox(shard), keys.partial(shard), keys.dead(shard), keys.stats(shard)),
    ]


@pytest.mark.parametrize("room_id", ["room456", "a", "x.y-z_0", "0"])
def test_all_keys_of_a_room_share_one_slot_when_redis_is_a_cluster(room_id):
    assert len({key_slot(key.encode()) for key in of_room(room_id)}) == 1


def test_keys_differ_when_anything_in_them_does():
    rooms = [f"room{n}" for n in range(200)]
    per_room = [key for room in rooms for key in (keys.head(room), keys.log(room), keys.room_channel(room))]
    dedupe = [keys.dedupe(room, sender, temp) for room in "ab" for sender in "ab" for temp in "ab"]
    per_shard = [make(n) for make in (keys.outbox, keys.partial, keys.dead, keys.stats) for n in range(16)]
    found = [*per_room, *dedupe, *per_shard, keys.user_channel("a"), keys.node_channel("a")]
    assert len(set(found)) == len(found)


def test_rooms_spread_over_all_shards_when_there_are_many():
    counts = [0] * keys.SHARDS
    for n in range(16_000):
        counts[keys.shard_of(f"room-{n}")] += 1
    assert min(counts) > 800


def test_shards_stay_where_they_are_when_the_code_changes():
    # data in a running Redis is found by these
    assert [keys.shard_of(each) for each in ("room456", "general", "a")] == SHARDS_OF_OLD
    assert keys.head("general") == f"chat:head:{{{SHARDS_OF_OLD[1]}}}:general"


def test_every_key_starts_with_chat_when_it_is_built():
    made = [
        function(*(["x", "y", "z"][: len(inspect.signature(function).parameters)]))
        for name, function in vars(keys).items()
        if callable(function) and name not in ("crc32", "lru_cache", "shard_of", "tag")
    ]
    assert len(made) >= 12
    assert all(re.match(r"chat:[a-z_]+:", each) for each in made)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (keys.room_members("room456"), "chat:room_members:room456"),
        (keys.user_rooms("user123"), "chat:user_rooms:user123"),
        (keys.msg_temp("t1"), "chat:msg_temp:t1"),
    ],
)
def test_public_keys_keep_their_names_when_operators_read_them(key, name):
    assert key == name
