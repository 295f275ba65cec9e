"""Presence on a real server: each step's words, the public keys, and how many round trips it takes."""

from __future__ import annotations

import json
import time

import pytest
import redis
from redis.client import Pipeline

from chat.broker import keys, scripts
from chat.broker.presence import RedisPresence
from chat.broker.presence_view import RedisPresenceView
from chat.errors import BrokerUnavailable
from chat.model.presence import Batch, Decided, Holding
from chat.services.sweep import sweep
from tests.support.rooms import Ears
from tests.support.wait import eventually

LEASE_S = 30.0
SOON_S = 0.05


class Servers:
    """Two servers, `a` and `b`, and the scripts by themselves."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.a, self.b = RedisPresence(client, "a", LEASE_S), RedisPresence(client, "b", LEASE_S)
        self.view = RedisPresenceView(client)

    def do(self, board: RedisPresence, batch: Batch) -> Decided:
        decided = board.decide(batch)
        board.show(batch, decided)
        return decided

    def arrive(self, board: RedisPresence, user_id: str, *rooms: str, is_new: bool = True) -> list[tuple]:
        batch = Batch(arrivals=[Holding(user_id, user_id.title(), rooms, (f"c-{user_id}",), is_new)])
        return told(self.do(board, batch))

    def run(self, script: str, user_id: str, *args: str | int) -> list:
        """Run one script and return its answer without the time."""
        own = [keys.presence_lease(user_id), keys.presence_rooms(user_id)]
        due = keys.presence_due(keys.shard_of(user_id))
        places = {
            "arrive_presence": [*own, due],
            "leave_presence": [*own, due],
            "renew_presence": [due, *own],
            "exit_rooms": own[::-1],
        }[script]
        answer = self.client.register_script(scripts.load(script).source)(places, args)
        return [each.decode() for each in answer if isinstance(each, bytes)]

    def let_lease_end(self, board: RedisPresence, *user_ids: str) -> None:
        """Let a server die: its leases end and nobody says so."""
        board.shorten(user_ids, SOON_S)
        eventually(lambda: set(user_ids) <= set(self.a.expired(100)))


@pytest.fixture
def servers(client: redis.Redis) -> Servers:
    return Servers(client)


@pytest.fixture
def trips(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of what was sent to Redis, one for each round trip."""
    sizes: list[int] = []
    execute, single = Pipeline.execute, redis.Redis.execute_command

    def counted(pipeline, *args, **options):
        sizes.append(len(pipeline))
        return execute(pipeline, *args, **options)

    def counted_single(*args, **options):
        sizes.append(1)
        return single(*args, **options)

    monkeypatch.setattr(Pipeline, "execute", counted)
    monkeypatch.setattr(Pipeline, "immediate_execute_command", counting(Pipeline, sizes))
    monkeypatch.setattr(redis.Redis, "execute_command", counted_single)
    return sizes


def counting(pipeline_class, sizes):
    immediate = pipeline_class.immediate_execute_command

    def counted(*args, **options):
        sizes.append(1)
        return immediate(*args, **options)

    return counted


def told(decided: Decided) -> list[tuple]:
    return [(each.kind, each.user_id, sorted(each.rooms)) for each in decided.changes]


def test_a_user_comes_online_once_when_several_servers_have_connections(servers):
    assert servers.run("arrive_presence", "ann", "ann", "a", 1000, 1, "r1") == ["online", "r1"]
    assert servers.run("arrive_presence", "ann", "ann", "b", 1000, 1, "r1") == ["already"]
    assert servers.run("arrive_presence", "ann", "ann", "b", 1000, 1, "r2", "r3") == ["already", "r2", "r3"]


def test_a_user_goes_offline_when_the_last_lease_is_given_back(servers):
    for server in "ab":
        servers.run("arrive_presence", "ann", "ann", server, 1000, 1, f"r-{server}")
    assert servers.run("leave_presence", "ann", "ann", "a", keys.PRESENCE_CHANNEL, "then") == ["elsewhere"]
    status, *rooms = servers.run("leave_presence", "ann", "ann", "b", keys.PRESENCE_CHANNEL, "then")
    assert (status, sorted(rooms)) == ("offline", ["r-a", "r-b"])
    assert servers.run("leave_presence", "ann", "ann", "b", keys.PRESENCE_CHANNEL, "then") == ["gone"]
    assert servers.client.keys("chat:presence:*") == []


def test_servers_are_told_in_the_same_step_when_a_user_goes_offline(servers, ears: Ears):
    servers.run("arrive_presence", "ann", "ann", "a", 1000, 2, "r1", "r2")
    servers.run("leave_presence", "ann", "ann", "a", keys.PRESENCE_CHANNEL, "then")
    [(channel, payload)] = ears.heard()
    [[kind, user_id, at, seen, name, rooms]] = json.loads(payload)
    assert (channel, kind, user_id, seen, name) == (keys.PRESENCE_CHANNEL, "offline", "ann", "then", "")
    assert sorted(rooms) == ["r1", "r2"]
    assert abs(at / 1e6 - time.time()) < 60


def test_a_lease_that_is_gone_is_named_when_it_is_renewed(servers):
    servers.run("arrive_presence", "ann", "ann", "a", 1000, 0)
    assert servers.run("renew_presence", "ann", "a", 5000, "ann") == ["renewed"]
    assert servers.run("renew_presence", "ann", "b", 5000, "ann") == ["renewed", "ann"]
    servers.client.flushall()
    assert servers.run("renew_presence", "ann", "a", 5000, "ann") == ["renewed", "ann"]


def test_a_room_is_left_when_no_other_server_has_the_user_there(servers):
    for server in "ab":
        servers.run("arrive_presence", "ann", "ann", server, 1000, 1, "r1", "cached")
    assert servers.run("exit_rooms", "ann", "a", "r1", "never") == ["left"]
    assert servers.run("exit_rooms", "ann", "b", "r1") == ["left", "r1"]
    assert servers.run("arrive_presence", "ann", "ann", "b", 1000, 1, "r1") == ["already", "r1"]
    assert servers.run("exit_rooms", "ann", "-", "r1", "cached") == ["left", "r1", "cached"]
    status, *rooms = servers.run("leave_presence", "ann", "ann", "a", keys.PRESENCE_CHANNEL, "then")
    assert (status, rooms) == ("elsewhere", [])


def test_a_dead_servers_place_counts_for_nothing_when_the_room_is_left(servers):
    servers.run("arrive_presence", "ann", "ann", "a", 0, 1, "r1")
    servers.run("arrive_presence", "ann", "ann", "b", 1000, 1, "r1")
    assert servers.run("exit_rooms", "ann", "b", "r1") == ["left", "r1"]


def test_a_left_room_hears_of_the_going_when_the_user_stayed_online(servers):
    servers.arrive(servers.a, "ann", "r1", "r2")
    assert told(servers.do(servers.a, Batch(exits={"ann": ["r1"]}))) == [("left", "ann", ["r1"])]
    assert told(servers.do(servers.a, Batch(departures=["ann"]))) == [("offline", "ann", ["r1", "r2"])]


def test_a_removed_user_is_in_the_room_no_more_when_several_servers_had_it(servers):
    servers.arrive(servers.a, "ann", "r1")
    servers.arrive(servers.b, "ann", "r1")
    assert told(servers.do(servers.b, Batch(removals={"ann": ["r1"]}))) == [("left", "ann", ["r1"])]
    assert servers.client.smembers(keys.room_online("r1")) == set()
    assert told(servers.do(servers.a, Batch(departures=["ann"]))) == []
    assert told(servers.do(servers.b, Batch(departures=["ann"]))) == [("offline", "ann", [])]


def test_the_public_keys_say_it_when_a_user_is_online(servers):
    servers.arrive(servers.a, "ann", "r1")
    ttl = servers.client.ttl
    assert servers.client.get(keys.online("ann")) == b"Ann"
    assert servers.client.hgetall(keys.connection("c-ann")) == {b"user": b"ann", b"server": b"a"}
    assert servers.client.smembers(keys.room_online("r1")) == {b"ann"}
    for key in (keys.online("ann"), keys.connection("c-ann"), keys.room_online("r1")):
        assert 295 <= ttl(key) <= 300
    assert servers.client.type(keys.last_seen("ann")) == b"string"
    assert 86_390 <= ttl(keys.last_seen("ann")) <= 86_400


def test_only_last_seen_is_left_when_a_user_is_offline(servers):
    servers.arrive(servers.a, "ann", "r1")
    servers.do(servers.a, Batch(departures=["ann"], closed=["c-ann"]))
    assert servers.client.keys("chat:*") == [keys.last_seen("ann").encode()]


def test_a_renewal_brings_public_keys_back_when_they_are_gone(servers):
    servers.arrive(servers.a, "ann", "r1")
    gone = [keys.online("ann"), keys.connection("c-ann"), keys.room_online("r1"), keys.last_seen("ann")]
    servers.client.delete(*gone)
    decided = servers.do(servers.a, Batch(renewals=[Holding("ann", "Ann", ["r1"], ["c-ann"])]))
    assert decided == Decided()
    assert servers.client.exists(*gone) == 4


def test_cached_rooms_are_told_when_a_user_comes_online(servers, ears):
    servers.client.sadd(keys.user_rooms("ann"), "r1", "r2")
    assert servers.arrive(servers.a, "ann", "r2") == [("online", "ann", ["r1", "r2"])]
    [(channel, payload)] = ears.heard()
    assert channel == keys.PRESENCE_CHANNEL
    assert json.loads(payload)[0][:2] == ["online", "ann"]
    assert servers.view.rooms_online(["r1"], 10)["r1"].online == {"ann": "Ann"}


def test_a_user_is_to_arrive_with_all_rooms_when_redis_had_lost_them(servers):
    batch = Batch(arrivals=[Holding("ann", "Ann", ["r3"])])
    assert servers.a.decide(batch).lost == {"ann"}


def test_all_rooms_are_told_again_when_it_is_not_known_what_was_told(servers):
    servers.arrive(servers.a, "ann", "r1")
    batch = Batch(arrivals=[Holding("ann", "Ann", ["r1"], is_new=True)], is_repeated=True)
    assert told(servers.do(servers.a, batch)) == [("online", "ann", ["r1"])]


def test_a_sweep_takes_a_dead_servers_users_offline_once(servers, ears):
    for user_id in ("ann", "bob", "cleo"):
        servers.arrive(servers.a, user_id, "r1")
    servers.arrive(servers.b, "cleo", "r1")
    servers.let_lease_end(servers.a, "ann", "bob")
    ears.heard()
    sweeper = RedisPresence(servers.client)
    assert sweep(sweeper) == 2
    assert sorted(json.loads(payload)[0][1] for _, payload in ears.heard()) == ["ann", "bob"]
    assert sweep(sweeper) == 0
    assert servers.client.smembers(keys.room_online("r1")) == {b"cleo"}
    assert not servers.client.exists(keys.online("ann"))


def test_nobody_is_told_when_a_user_comes_back_before_the_sweep(servers):
    servers.arrive(servers.a, "ann", "r1")
    servers.let_lease_end(servers.a, "ann")
    assert servers.arrive(servers.b, "ann", "r1") == []
    assert sweep(RedisPresence(servers.client)) == 0


def test_who_shares_a_room_is_seen_when_another_looks(servers):
    servers.arrive(servers.a, "bob", "r1")
    servers.arrive(servers.a, "eve", "elsewhere")
    servers.client.sadd(keys.room_members("r2"), "cleo")
    look = servers.view.look(["r1", "r2"], ["bob", "cleo", "eve"])
    assert look.sharing == {"bob", "cleo"}
    assert look.cold_rooms == ("r1",)
    assert [look.users[each].is_online for each in ("bob", "cleo", "eve")] == [True, False, True]
    assert look.users["cleo"].last_seen is None


def test_a_list_is_bounded_and_counts_all_when_a_room_is_large(servers):
    for number in range(30):
        servers.arrive(servers.a, f"u{number}", "r1")
    found = servers.view.rooms_online(["r1", "empty"], 10)
    assert (found["r1"].count, len(found["r1"].online)) == (30, 10)
    assert (found["empty"].count, found["empty"].online) == (0, {})


def test_a_thousand_arrivals_cost_as_many_round_trips_as_one(servers, trips):
    def cost(*user_ids: str) -> int:
        trips.clear()
        servers.do(servers.a, Batch(arrivals=[Holding(each, each, ["r1"], [each], True) for each in user_ids]))
        return len(trips)

    cost("bob")  # the scripts are loaded with their first use
    assert cost("ann") == cost(*(f"u{number}" for number in range(1000))) <= 4


def test_a_thousand_renewals_cost_as_many_round_trips_as_one(servers, trips):
    users = [Holding(f"u{number}", "U", ["r1"], [f"c{number}"]) for number in range(1000)]
    servers.do(servers.a, Batch(arrivals=users))

    def cost(renewed: list[Holding]) -> int:
        trips.clear()
        servers.do(servers.a, Batch(renewals=renewed))
        return len(trips)

    cost(users[:1])  # the script is loaded with its first use
    assert cost(users[:1]) == cost(users) <= 3


@pytest.mark.parametrize("size", [10, 10_000])
def test_reading_a_room_costs_the_same_round_trips_when_it_is_large(servers, trips, size):
    servers.client.sadd(keys.room_online("r1"), *(f"u{number}" for number in range(size)))
    trips.clear()
    servers.view.rooms_online(["r1"], 500)
    assert len(trips) == 2
    trips.clear()
    servers.view.look(["r1"], ["u1", "u2"])
    assert len(trips) == 1


def test_a_server_says_so_when_redis_is_not_there(valkey_url):
    with redis.Redis(port=1, socket_connect_timeout=0.1) as nowhere:
        board = RedisPresence(nowhere, "a", LEASE_S)
        for act in (lambda: board.decide(Batch(departures=["ann"])), lambda: board.shorten(["ann"], 1)):
            with pytest.raises(BrokerUnavailable):
                act()
