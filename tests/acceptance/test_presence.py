"""Who is online, through real sockets on two servers: devices, grace, death of a server, a lost Redis."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.chat_client import ChatClient, Refused
from tests.support.chat_system import WEB, ChatServer, ChatSystem, LoneServer, room_name
from tests.support.wait import eventually

GRACE_S = 0.6
LEASE_S = 2.0
KNOBS = {"PRESENCE_GRACE_S": str(GRACE_S), "PRESENCE_LEASE_S": str(LEASE_S), "PRESENCE_ROOM_LIMIT": "5"}
SWEEP_S = 10.0
QUIET_S = GRACE_S + 0.6  # by then a status that is wrongly told has come


@pytest.fixture(scope="module")
def here() -> Iterator[ChatSystem]:
    """The whole stack, with its beat."""
    with ChatSystem(KNOBS) as system:
        yield system


@pytest.fixture(scope="module")
def shared(here: ChatSystem) -> dict[str, str]:
    """The settings of another server of the same system."""
    secret = (here.stack.data_dir / "dev-secret").read_text().strip()
    return {**KNOBS, "AUTH_SECRET": secret, "AUTH_MODE": "dev", "STORE_URL": f"sqlite:///{here.store_path}"}


@pytest.fixture(scope="module")
def there(here: ChatSystem, shared: dict[str, str]) -> Iterator[LoneServer]:
    """A second server of the same system."""
    with LoneServer(here.redis_url, shared) as server:
        yield server


@pytest.fixture
def room() -> str:
    return room_name()


@pytest.fixture
def person(here: ChatSystem, there: LoneServer, room: str) -> Iterator[Callable[..., ChatClient]]:
    """Connect somebody, whose id is of this test alone, and let them into the room."""

    def connect(name: str, server: ChatServer = here, joins: bool = True) -> ChatClient:
        client = server.client(here.token(f"{name}-{room}"))
        if joins:
            client.join(room)
        return client

    yield connect
    here.close_clients()
    there.close_clients()


def statuses(client: ChatClient) -> list[tuple[str, bool]]:
    """Return what a client was told, as (name, is online)."""
    told = [each["data"] for each in client.events if each["event"] == "user-status"]
    return [(each["userId"].split("-")[0], each["isOnline"]) for each in told]


def stays(client: ChatClient, expected: list[tuple[str, bool]]) -> None:
    """See that nothing more is told."""
    assert client.stays(lambda: statuses(client) == expected, QUIET_S), statuses(client)


def test_people_on_both_servers_see_who_comes_and_goes(person, here, there, room):
    ann, bob = person("ann"), person("bob", there)
    ann.until(lambda: statuses(ann) == [("bob", True)])
    # ann's server tells of her when it gets to it, which may be after bob came
    eventually(lambda: set(bob.join(room)["online"]) == {f"ann-{room}", f"bob-{room}"})
    assert bob.join(room)["online_names"][f"ann-{room}"] == f"ann-{room}".title()
    bob.close()
    ann.until(lambda: statuses(ann) == [("bob", True), ("bob", False)])
    gone = [each["data"] for each in ann.events if each["event"] == "user-status"][-1]
    assert gone["lastSeen"].endswith("Z")
    assert ann.join(room)["online"] == [f"ann-{room}"]
    stays(ann, [("bob", True), ("bob", False)])


def test_several_devices_on_several_servers_are_one_presence(person, there):
    ann, phone = person("ann"), person("bob")
    ann.until(lambda: statuses(ann) == [("bob", True)])
    laptop, watch = person("bob", there), person("bob", there, joins=False)
    stays(ann, [("bob", True)])
    for device in (phone, laptop):
        device.close()
        stays(ann, [("bob", True)])
    watch.close()
    ann.until(lambda: statuses(ann) == [("bob", True), ("bob", False)])
    assert ("bob", True) not in statuses(phone) + statuses(laptop)  # not of oneself


def test_nobody_is_told_when_somebody_is_back_on_the_other_server_within_the_grace(person, there):
    ann, bob = person("ann"), person("bob")
    ann.until(lambda: statuses(ann) == [("bob", True)])
    for server in (there, None, there):
        bob.drop()
        bob = person("bob", *([server] if server else []))
    stays(ann, [("bob", True)])
    assert statuses(ann) == [("bob", True)]


def test_the_room_sees_that_somebody_left_it_and_later_that_they_went(person, room):
    ann, bob = person("ann"), person("bob")
    ann.until(lambda: statuses(ann) == [("bob", True)])
    bob.ask("leave-chat-rooms", {"roomIds": [room]})
    ann.until(lambda: statuses(ann) == [("bob", True), ("bob", True)])
    assert ann.join(room)["online"] == [f"ann-{room}"]
    bob.join(room)
    ann.until(lambda: len(statuses(ann)) == 3)
    assert set(ann.join(room)["online"]) == {f"ann-{room}", f"bob-{room}"}


def test_only_those_who_share_a_room_see_anything(person, here, there, room):
    ann, bob = person("ann"), person("bob", there)
    eve = person("eve", joins=False)
    eve.join(room_name())
    ann_id, bob_id = f"ann-{room}", f"bob-{room}"
    told = ann.ask("get-presence", {"userIds": [bob_id, eve_id := f"eve-{room}", "nobody"]})["users"]
    assert told[bob_id]["isOnline"]
    assert told[bob_id]["lastSeen"].endswith("Z")
    assert told[eve_id] == told["nobody"] == {"isOnline": False, "lastSeen": None}
    for server in (here, there):
        unseen = server.get(f"/api/v1/presence?userIds={ann_id},{bob_id}", here.token(eve_id)).json()["users"]
        assert {key: (each["isOnline"], each["lastSeen"]) for key, each in unseen.items()} == {
            ann_id: (False, None),
            bob_id: (False, None),
        }
        seen = server.get(f"/api/v1/presence?userIds={bob_id}", here.token(ann_id)).json()["users"]
        assert seen[bob_id]["isOnline"]
    bob.close()
    ann.until(lambda: ("bob", False) in statuses(ann))
    told = ann.ask("get-presence", {"user_ids": [bob_id]})["users"][bob_id]
    assert not told["isOnline"]
    assert told["lastSeen"].endswith("Z")
    stays(eve, [])


def test_the_fault_is_named_when_too_many_are_asked_for(person, here):
    ann = person("ann")
    with pytest.raises(Refused) as caught:
        ann.ask("get-presence", {"userIds": [f"u{number}" for number in range(201)]})
    assert caught.value.field == "userIds"
    answer = here.get("/api/v1/presence?userIds=" + ",".join(["u"] * 201), here.token("ann"))
    assert (answer.status_code, answer.json()["field"]) == (400, "userIds")
    assert here.get("/api/v1/presence?userIds=u").status_code == 401


def test_the_public_keys_say_it_and_are_gone_with_the_user(person, here, room):
    ann = person("ann")
    user_id, redis = ann.user_id, here.redis
    connection = f"chat:connection:{ann.of('welcome')[0]['connectionId']}"
    own = {f"chat:online:{user_id}": "string", connection: "hash", f"chat:room_online:{room}": "set"}
    for key, kind in own.items():
        eventually(lambda key=key: redis.exists(key))  # type: ignore[misc]
        assert redis.type(key) == kind
        assert 290 <= redis.ttl(key) <= 300
    assert redis.hgetall(connection)["user"] == user_id
    assert redis.smembers(f"chat:room_online:{room}") == {user_id}
    assert 86_390 <= redis.ttl(f"chat:last_seen:{user_id}") <= 86_400
    redis.delete(f"chat:online:{user_id}")
    ann.ask("heartbeat")
    eventually(lambda: redis.exists(f"chat:online:{user_id}"))
    ann.close()
    eventually(lambda: not redis.exists(*own))
    assert redis.exists(f"chat:last_seen:{user_id}")


def test_nobody_flickers_when_redis_lost_everything(person, here, there, room):
    ann, bob = person("ann"), person("bob", there)
    ann.until(lambda: statuses(ann) == [("bob", True)])
    here.redis.flushall()
    for user_id in (f"ann-{room}", f"bob-{room}"):
        eventually(lambda user_id=user_id: here.redis.exists(f"chat:online:{user_id}"), 2 * LEASE_S)  # type: ignore[misc]
    eventually(lambda: len(here.redis.smembers(f"chat:room_online:{room}")) == 2, 2 * LEASE_S)
    assert statuses(ann) == [("bob", True)]
    bob.close()
    ann.until(lambda: statuses(ann) == [("bob", True), ("bob", False)])


def test_changes_are_not_told_when_too_many_are_online(person, there, room):
    crowd = [person(f"u{number}", there) for number in range(6)]
    eventually(lambda: crowd[0].join(room)["online_count"] == 6)
    assert len(crowd[0].join(room)["online"]) == 5
    told = [len(statuses(each)) for each in crowd]
    late = person("late", there)
    assert late.ask("get-presence", {"userIds": [f"u1-{room}"]})["users"][f"u1-{room}"]["isOnline"]
    assert [len(statuses(each)) for each in crowd] == told


def test_users_of_a_killed_server_go_offline_by_the_sweep(person, here, there, room):
    ann = person("ann", there)
    person("bob"), person("cleo")
    ann.until(lambda: len(statuses(ann)) == 2)
    before = here.stats()["presenceExpired"]
    here.kill(WEB)
    ann.until(lambda: len(statuses(ann)) == 4, LEASE_S + 3 * SWEEP_S)
    assert sorted(statuses(ann)[2:]) == [("bob", False), ("cleo", False)]
    eventually(lambda: not here.redis.exists(f"chat:online:bob-{room}"))  # people are told first
    eventually(here.is_ready, 30)
    assert eventually(lambda: here.stats()["presenceExpired"]) >= before + 2


def test_nobody_is_told_when_a_server_leaves_and_its_users_go_to_another(here, there, shared, person, room):
    ann = person("ann", there)
    with LoneServer(here.redis_url, {**shared, "SHUTDOWN_GRACE_S": "1"}) as leaving:
        bob = leaving.client(here.token(f"bob-{room}"))
        cleo = leaving.client(here.token(f"cleo-{room}"))
        for each in (bob, cleo):
            each.join(room)
        ann.until(lambda: sorted(statuses(ann)) == [("bob", True), ("cleo", True)])
        leaving.process.send_signal(signal.SIGTERM)
        bob.until(lambda: bob.close_code is not None)
        person("bob", there)
        assert leaving.process.wait(10) == 0
    ann.until(lambda: ("cleo", False) in statuses(ann), 3 * SWEEP_S)
    assert ("bob", False) not in statuses(ann)


def test_a_connection_is_let_in_and_shown_later_when_redis_is_slow(person, here, there, room) -> None:
    ann = person("ann", there)
    [valkey] = here.processes("valkey-server")
    valkey.suspend()
    try:
        bob = there.client(here.token(f"bob-{room}"))
        assert bob.user_id == f"bob-{room}"
    finally:
        valkey.resume()
    eventually(lambda: _joined(bob, room), 20)
    ann.until(lambda: ("bob", True) in statuses(ann), 20)


def _joined(client: ChatClient, room: str) -> Any:
    try:
        return client.join(room)
    except Refused:
        return None
