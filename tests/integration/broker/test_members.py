"""keep_set.lua and change_set.lua on a real server: a cached set is never older than an answered change."""

from __future__ import annotations

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.broker import keys
from chat.broker.members import RedisMembers

SET, ROOMS = keys.room_members("r"), keys.user_rooms("ann")


@pytest.fixture
def members(client: redis.Redis) -> RedisMembers:
    return RedisMembers(client)


def cached(client: redis.Redis, key: str = SET) -> set[str]:
    found: set[bytes] = client.smembers(key)  # type: ignore[assignment]
    return {each.decode() for each in found}


def test_members_are_kept_for_half_an_hour_when_nothing_changed(client, members):
    asked = members.ask("r", "ann")
    assert asked.is_member is None
    assert members.keep("r", ["ann", "bob"], revision=7, mark=asked.mark)
    assert cached(client) == {"ann", "bob"}
    assert 1790 < client.ttl(SET) <= 1800
    assert members.ask("r", "ann").is_member is True
    assert members.ask("r", "eve").is_member is False


def test_an_old_reading_is_not_kept_when_the_members_changed_meanwhile(client, members):
    asked = members.ask("r", "bob")
    members.removed("r", 8, "bob")
    assert not members.keep("r", ["ann", "bob"], revision=7, mark=asked.mark)
    assert client.exists(SET) == 0
    assert members.keep("r", ["ann"], revision=8, mark=members.ask("r", "bob").mark)


def test_a_change_is_made_in_place_when_the_set_is_of_the_revision_before(client, members):
    members.keep("r", ["ann", "bob"], revision=7, mark="")
    members.removed("r", 8, "bob")
    assert cached(client) == {"ann"}
    members.added("r", 9, "cy")
    assert cached(client) == {"ann", "cy"}


@pytest.mark.parametrize("revision", [6, 7, 9, 12])
def test_the_set_is_dropped_when_a_change_does_not_follow_on(client, members, revision):
    members.keep("r", ["ann", "bob"], revision=7, mark="")
    members.added("r", revision, "bob")
    assert client.exists(SET) == 0
    assert members.ask("r", "ann").mark == str(max(7, revision))


def test_the_set_is_dropped_when_all_of_it_changed(client, members):
    members.keep("r", ["ann"], revision=7, mark="")
    members.keep_rooms("ann", ["r"], mark="")
    members.drop("r", 8, ["ann"])
    assert client.exists(SET, ROOMS) == 0


def test_the_rooms_of_a_user_are_loaded_anew_when_one_of_them_changed(client, members):
    asked = members.rooms_of("ann")
    assert asked.names is None
    members.added("r", 1, "ann")
    assert not members.keep_rooms("ann", [], mark=asked.mark)
    asked = members.rooms_of("ann")
    assert members.keep_rooms("ann", ["r", "s"], mark=asked.mark)
    assert members.rooms_of("ann").names == {"r", "s"}
    assert 1790 < client.ttl(ROOMS) <= 1800


def test_ten_thousand_members_are_kept_in_one_step(client, members):
    everybody = [f"user{n}" for n in range(10_001)]
    assert members.keep("r", everybody, revision=1, mark="")
    assert client.scard(SET) == 10_001
    assert members.keep("r", ["ann"], revision=1, mark="1")
    assert cached(client) == {"ann"}


def test_an_empty_room_is_in_no_set(client, members):
    assert members.keep("r", [], revision=3, mark="")
    assert client.exists(SET) == 0


def test_all_caches_are_found_when_they_are_walked_through(client, members):
    members.keep("r", ["ann"], revision=1, mark="")
    members.keep_rooms("ann", ["r"], mark="")
    client.set("chat:room_members:odd", "no set")
    cursor, rooms, users = members.cached(0, 1000)
    found = (rooms, users)
    while cursor:
        cursor, rooms, users = members.cached(cursor, 1000)
        found = (found[0] + rooms, found[1] + users)
    assert found == (["r"], ["ann"])


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.sampled_from("abc")),
        st.tuples(st.just("tell"), st.integers(0, 3)),
        st.tuples(st.just("ask"), st.just(0)),
        st.tuples(st.just("read"), st.just(0)),
        st.tuples(st.just("keep"), st.just(0)),
        st.tuples(st.just("expire"), st.just(0)),
        st.tuples(st.just("wipe"), st.just(0)),
    ),
    max_size=25,
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_no_removed_member_is_in_the_set_when_its_removal_was_told(client, members, steps):
    """Changes are stored in order, told late and in any order, while a reading is anywhere on its way."""
    client.flushdb()
    truth, revision = {"a", "b", "c"}, 1
    untold: list[tuple[int, str, bool]] = []
    mark, reading = "", None
    for action, what in steps:
        if action == "change":
            truth, revision = truth ^ {what}, revision + 1
            untold.append((revision, what, what in truth))
        elif action == "tell" and untold:
            number, user, is_in = untold.pop(what % len(untold))
            (members.added if is_in else members.removed)("r", number, user)
        elif action == "ask":
            mark, reading = members.ask("r", "a").mark, None
        elif action == "read":
            reading = (set(truth), revision)
        elif action == "keep" and reading is not None:
            members.keep("r", reading[0], revision=reading[1], mark=mark)
            reading = None
        elif action == "expire":
            client.delete(SET)
        elif action == "wipe":
            client.flushdb()
            mark, reading = "", None  # who was asking when Redis was lost got an error
        present = cached(client)
        if present:
            unsure = {user for _, user, _ in untold}
            assert present - unsure <= truth
