"""Whatever a crash or a hand in the data left wrong is found and counted, and nothing else is."""

from __future__ import annotations

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.broker import keys
from chat.broker.members import RedisMembers
from chat.errors import RequestError
from chat.model.room import RoomType
from chat.services.reconcile import Found, Reconcile
from chat.services.room_list import RoomList
from chat.store.base import Kind
from chat.store.sqlite import SqliteStore
from tests.support.keeping import Keeping


@pytest.fixture
def client(redis_url):
    with redis.Redis.from_url(redis_url, socket_timeout=5) as client:
        yield client


@pytest.fixture
def keeping(client, tmp_path):
    store = SqliteStore(tmp_path / "chat.db")
    keeping = Keeping(store, caches=RedisMembers(client))
    keeping.changes.create(RoomType.GROUP, "ann", ["bob"], room_id="g", name=None)
    keeping.changes.create(RoomType.CHANNEL, "ann", [], room_id="c", name=None)
    fill(keeping)
    yield keeping
    store.close()


def fill(keeping) -> None:
    keeping.another().require("g", "ann")
    keeping.another().require("c", "ann")
    for user_id in ("ann", "bob"):
        RoomList(keeping.rooms, keeping.store, keeping.caches).ids(user_id)


def reconciled(keeping) -> Found:
    reconcile = Reconcile(keeping.rooms, keeping.caches)
    cursor = reconcile.run()
    while cursor:
        cursor = reconcile.run(cursor)
    return reconcile.found


def test_nothing_is_mended_when_all_is_right(keeping):
    assert reconciled(keeping) == Found(caches_checked=4)


@pytest.mark.parametrize("add", [True, False])
def test_a_wrong_set_is_dropped_when_it_is_found(keeping, client, add):
    (client.sadd if add else client.srem)(keys.room_members("g"), "eve" if add else "bob")
    (client.sadd if add else client.srem)(keys.user_rooms("ann"), "c")
    found = reconciled(keeping)
    assert found.caches_mended == (1 if add else 2)
    assert client.exists(keys.room_members("g")) == 0
    fill(keeping)
    assert reconciled(keeping).caches_mended == 0


def test_the_sets_of_a_room_that_is_gone_are_dropped(keeping, client):
    client.sadd(keys.room_members("never"), "ann")
    client.sadd(keys.user_rooms("ann"), "never")
    assert reconciled(keeping).caches_mended >= 1
    assert client.exists(keys.room_members("never"), keys.user_rooms("ann")) == 0


def test_a_membership_is_mended_when_only_one_side_knows_it(keeping):
    keeping.rooms.of_user.remove("bob", ["g"])
    keeping.rooms.of_user.put("bob", "c", is_in=True)
    found = reconciled(keeping)
    assert found.memberships_mended == 2
    assert keeping.rooms.of_user.of("bob") == {"g"}
    assert RoomList(keeping.rooms, keeping.store, keeping.caches).ids("bob") == {"g"}


def test_a_list_is_made_when_it_was_lost(keeping):
    keeping.store.delete(Kind.USER_ROOMS, "bob")
    assert reconciled(keeping).memberships_mended == 1
    assert keeping.rooms.of_user.of("bob") == {"g"}


USER, ROOM = st.sampled_from(["ann", "bob", "cy"]), st.sampled_from(["g", "c"])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "remove", "join", "delete", "ask", "list", "expire", "wipe", "remake"]), ROOM, USER
    ),
    max_size=25,
)


def act(keeping, client, action, room_id, user_id) -> None:
    if action == "put":
        keeping.changes.put_member(room_id, "ann", user_id, None)
    elif action == "remove":
        keeping.changes.remove_member(room_id, "ann", user_id)
    elif action == "join":
        keeping.changes.join(room_id, user_id)
    elif action == "delete":
        keeping.changes.delete(room_id, "ann")
    elif action == "ask":
        keeping.another().require(room_id, user_id)
    elif action == "list":
        RoomList(keeping.rooms, keeping.store, keeping.caches).ids(user_id)
    elif action == "expire":
        client.delete(keys.room_members(room_id), keys.user_rooms(user_id))
    elif action == "wipe":
        client.flushdb()
    else:
        keeping.changes.create(RoomType.GROUP, "ann", [user_id], room_id=f"{room_id}x", name=None)


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_no_cache_differs_from_the_store_when_rooms_change_and_caches_come_and_go(client, tmp_path_factory, steps):
    client.flushdb()
    store = SqliteStore(tmp_path_factory.mktemp("store") / "chat.db")
    keeping = Keeping(store, caches=RedisMembers(client))
    keeping.changes.create(RoomType.GROUP, "ann", ["bob"], room_id="g", name=None)
    keeping.changes.create(RoomType.CHANNEL, "ann", [], room_id="c", name=None)
    try:
        for step in steps:
            try:
                act(keeping, client, *step)
            except RequestError:
                continue
            found = reconciled(keeping)
            assert (found.caches_mended, found.memberships_mended) == (0, 0)
    finally:
        store.close()
