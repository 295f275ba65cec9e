"""GroupCommit against a real Redis and real faults: an answer for every message, one number for each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
import redis

from tests.support import committing
from tests.support.gevent_run import GeventRun, run_in_gevent
from tests.support.ports import free_port
from tests.support.proxy import Fault, Proxy
from tests.support.rooms import Room
from tests.support.sentinels import SentinelSet
from tests.support.valkey import ValkeyProcess
from tests.support.wait import eventually

ROOM = "room456"


@pytest.fixture
def server() -> Iterator[ValkeyProcess]:
    """A server of the test's own, to be mistreated."""
    with ValkeyProcess(aof=True) as server:
        yield server


@pytest.fixture
def own(server: ValkeyProcess) -> Iterator[Room]:
    """A warm room on that server."""
    with redis.Redis.from_url(server.url) as client:
        yield Room(client, ROOM).warm()


def queued(room: Room) -> dict[str, int]:
    """Return temp id -> seq of everything in the outbox; each temp id may be there once only."""
    found = [(each.temp_id, each.seq) for entry in room.take() for each in entry.messages]
    assert len(dict(found)) == len(found)
    return dict(found)


def assert_numbered_once(room: Room, answers: list[list[Any]]) -> None:
    """Check that numbers are 1..n, all queued, all logged in order, and as the senders were told."""
    by_temp_id = queued(room)
    assert sorted(by_temp_id.values()) == list(range(1, len(by_temp_id) + 1))
    for temp_id, kind, *fields in answers:
        assert by_temp_id[temp_id] == (fields[0] if kind == "Accepted" else fields[1])
    assert len(answers) == len(by_temp_id)
    read = room.reader.read(room.room_id, room.epoch, 0)
    shown = [line for event in read.events for line in event.split(b"\n")[2::2]]
    assert [int(frame.split(b'"seq":')[1].split(b",")[0]) for frame in shown] == [*range(1, len(answers) + 1)]
    assert [int(frame.split(b'"offset":')[1].split(b",")[0]) for frame in shown] == [*range(1, len(answers) + 1)]


def test_each_outcome_is_told_when_a_batch_has_all_kinds(room: Room):
    room.accept("waits", "stored", "refused", "again")
    (entry,) = room.take()
    room.confirm(entry, 2)
    room.retract(entry, 3)
    room.retract(entry, 4, retryable=True)
    temp_ids = ["waits", "stored", "refused", "again", "new", "new", "over"]
    drafts = [[ROOM, each] for each in temp_ids] + [["coldroom", "t1"]]
    url = _url_of(room)
    epoch = room.epoch
    assert run_in_gevent(committing.submit_together, url, drafts, 3)["outcomes"] == [
        ["Duplicate", "pending", 1, epoch, "", ""],
        ["Duplicate", "confirmed", 2, epoch, "", ""],
        ["Duplicate", "failed", 3, epoch, "refused", "too sad"],
        ["Accepted", 5, epoch, 7],
        ["Accepted", 6, epoch, 8],
        ["Duplicate", "pending", 6, epoch, "", ""],
        ["Overloaded"],
        ["Cold"],
    ]


def test_one_round_trip_serves_all_when_they_are_submitted_together(room):
    drafts = [[f"room{n % 7}" if n % 2 else ROOM, f"t{n}"] for n in range(290)]
    done = run_in_gevent(committing.submit_together, _url_of(room), drafts)
    assert done["round_trips"] == 1
    accepted = [each[1] for each in done["outcomes"] if each[0] == "Accepted"]
    assert accepted == list(range(1, 146))


def test_order_is_kept_when_a_room_needs_several_script_calls(room):
    drafts = [[ROOM, f"t{n}"] for n in range(700)]
    done = run_in_gevent(committing.submit_together, _url_of(room), drafts)
    assert [each[1:] for each in done["outcomes"]] == [[n, room.epoch, n] for n in range(1, 701)]
    assert done["round_trips"] <= 4


def test_numbers_are_contiguous_when_several_processes_flood_one_room(client):
    room = Room(client, ROOM).warm()
    senders = ["ann", "bob", "cid"]
    with ExitStack() as stack:
        runs = [
            stack.enter_context(GeventRun(committing.flood, _url_of(room), ROOM, each, 800)) for each in senders
        ]
        results = [each.result() for each in runs]
    answers = [each for result in results for each in result["answers"]]
    assert len(answers) == 2400
    assert_numbered_once(room, answers)
    for result in results:
        by_number = sorted(result["answers"], key=lambda each: each[2])
        assert [each[0].split("-")[1] for each in by_number] == [str(n) for n in range(800)]


def test_messages_are_accepted_when_redis_lost_its_scripts(room):
    outcomes = run_in_gevent(committing.submit_around_lost_scripts, _url_of(room), ROOM)
    assert outcomes == [["Accepted", 1, room.epoch, 1], ["Accepted", 2, room.epoch, 2]]


def test_others_are_served_when_a_callback_raises(room):
    outcome = run_in_gevent(committing.submit_beside_a_faulty_callback, _url_of(room), ROOM)
    assert outcome == ["Accepted", 2, room.epoch, 2]


def test_outbox_full_is_told_at_once_when_the_queue_is_at_its_limit(room):
    outcomes = run_in_gevent(committing.overfill_queue, _url_of(room), ROOM, 5)
    assert [each[0] for each in outcomes] == ["Accepted"] * 5 + ["OutboxFull"] * 2


def test_queued_messages_are_sent_when_it_stops(room):
    done = run_in_gevent(committing.stop_with_full_queue, _url_of(room), ROOM, 1000)
    assert [each[0] for each in done["outcomes"]] == ["Accepted"] * 1000 + ["BrokerUnavailable"]
    assert len(queued(room)) == 1000


def test_queued_messages_are_refused_when_it_stops_and_redis_is_not_there():
    url = f"redis://127.0.0.1:{free_port()}/0"
    done = run_in_gevent(committing.stop_with_full_queue, url, ROOM, 400)
    assert [each[0] for each in done["outcomes"]] == ["BrokerUnavailable"] * 401
    assert done["took_s"] < 3


@pytest.mark.fault
def test_messages_under_way_are_refused_when_it_stops_and_redis_is_frozen(server, own):
    done = run_in_gevent(committing.stop_while_frozen, server.url, server.pid, ROOM, 400)
    assert [each[0] for each in done["outcomes"]] == ["BrokerUnavailable"] * 400
    assert done["took_s"] < 2


def test_one_rooms_wrong_type_refuses_only_its_own_when_others_share_the_round_trip(room):
    Room(room.client, "other").warm()
    broken = Room(room.client, "broken").warm()
    room.client.set(broken.log, "not yours")
    drafts = [["other", "t1"], ["broken", "t1"], [ROOM, "t1"]]
    outcomes = run_in_gevent(committing.submit_together, _url_of(room), drafts)["outcomes"]
    assert [each[0] for each in outcomes] == ["Accepted", "BrokerUnavailable", "Accepted"]


@pytest.mark.fault
def test_nothing_accepted_is_lost_when_redis_is_killed_in_a_flood(server, own):
    with GeventRun(committing.flood, server.url, ROOM, "ann", 6000) as run:
        for waiting in (300, 1500):
            eventually(partial(_has_accepted, own, waiting))
            server.restart()
        result = run.result()
    assert own.client.info("commandstats")["cmdstat_evalsha"]["calls"] > 0  # it went on after the last kill
    assert len(result["answers"]) == 6000
    assert_numbered_once(own, result["answers"])


@pytest.mark.fault
def test_messages_wait_and_are_accepted_when_redis_is_loading(server, own):
    with own.client.pipeline(transaction=False) as pipeline:
        for n in range(1500):
            pipeline.set(f"filler:{n}", "x" * 1000)
        pipeline.execute()
    server.kill()
    server.flags += ("--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")
    with GeventRun(committing.submit_one_by_one, server.url, ROOM, ["t1"]) as run:
        server.start()
        ((wait_s, *outcome),) = run.result()
    assert outcome in (["Accepted", 1, own.epoch, 1], ["Duplicate", "pending", 1, own.epoch, "", ""])
    assert wait_s < 6


@pytest.mark.fault
@pytest.mark.parametrize("fault", [Fault.RESET, Fault.SWALLOW, Fault.GARBLE, Fault.HANG])
def test_each_message_is_numbered_once_when_replies_are_lost(server, own, fault):
    with Proxy(server.port) as proxy:
        proxy.strike(fault, times=1 if fault in (Fault.SWALLOW, Fault.HANG) else 8)
        result = run_in_gevent(committing.flood, proxy.url, ROOM, "ann", 2000)
        assert proxy.left == 0
    assert result["refused"] == 0
    assert_numbered_once(own, result["answers"])
    repeats = sum(each[1] == "Duplicate" for each in result["answers"])
    assert (repeats > 0) == (fault is not Fault.HANG)


@pytest.mark.fault
def test_order_is_kept_when_a_batch_has_to_be_sent_again(server, own):
    with Proxy(server.port) as proxy:
        proxy.strike(Fault.HANG)
        drafts = [[ROOM, f"t{n}"] for n in range(700)]
        done = run_in_gevent(committing.submit_together, proxy.url, drafts)
        assert proxy.left == 0
    assert [each[1] for each in done["outcomes"]] == list(range(1, 701))


@pytest.mark.fault
def test_messages_are_refused_in_time_and_then_accepted_when_redis_freezes(server, own):
    done = run_in_gevent(committing.submit_while_frozen, server.url, server.pid, ROOM)
    assert {kind for kind, _ in done["waits"]} == {"BrokerUnavailable"}
    assert max(wait_s for _, wait_s in done["waits"]) < 6
    assert done["after"][0] == "Accepted"
    assert done["healed_s"] < 5
    assert done["gap_s"] < 1


@pytest.mark.fault
def test_messages_are_refused_at_once_and_nothing_is_evicted_when_memory_is_full(server, own):
    own.accept("before")
    own.client.config_set("maxmemory", "1mb")
    before = own.contents()
    refused = run_in_gevent(committing.submit_one_by_one, server.url, ROOM, ["t1", "t2", "before"])
    assert [kind for _, kind, *_ in refused] == ["BrokerUnavailable", "BrokerUnavailable", "Duplicate"]
    assert max(wait_s for wait_s, *_ in refused) < 1
    assert own.contents() == before
    assert own.client.info("stats")["evicted_keys"] == 0
    own.client.config_set("maxmemory", "0")
    ((_, *outcome),) = run_in_gevent(committing.submit_one_by_one, server.url, ROOM, ["t1"])
    assert outcome == ["Accepted", 2, own.epoch, 2]


@pytest.mark.fault
@pytest.mark.parametrize("serves_stale", ["yes", "no"])
def test_a_message_waits_and_is_accepted_when_redis_is_a_replica_for_a_moment(server, own, serves_stale):
    own.client.config_set("replica-serve-stale-data", serves_stale)
    own.client.replicaof("127.0.0.1", free_port())
    with GeventRun(committing.submit_one_by_one, server.url, ROOM, ["t1"]) as run:
        eventually(lambda: _errors(own.client, "READONLY" if serves_stale == "yes" else "MASTERDOWN") > 1)
        own.client.replicaof("NO", "ONE")
        ((_, *outcome),) = run.result()
    assert outcome == ["Accepted", 1, own.epoch, 1]


@pytest.mark.fault
def test_messages_are_refused_in_time_when_redis_stays_a_replica(server, own):
    own.client.replicaof("127.0.0.1", free_port())
    ((wait_s, kind),) = run_in_gevent(committing.submit_one_by_one, server.url, ROOM, ["t1"])
    assert kind == "BrokerUnavailable"
    assert wait_s < 6


@pytest.mark.fault
def test_messages_are_accepted_within_seconds_when_sentinel_fails_over():
    with SentinelSet() as servers:
        with GeventRun(committing.send_steadily, servers.url, ROOM, "ann", 9) as run:
            with redis.Redis(port=servers.replica.port) as replica:
                eventually(lambda: replica.exists(f"chat:head:{{{Room(replica, ROOM).shard}}}:{ROOM}"))
            servers.master.kill()
            result = run.result()
        with redis.Redis(port=servers.replica.port) as promoted:
            numbered = queued(Room(promoted, ROOM))
    assert result["gap_s"] < 8, result["gap_s"]
    last = [each for each in result["answers"] if each[1] == "Accepted"][-1]
    assert numbered[last[0]] == last[2]


def _url_of(room: Room) -> str:
    options = room.client.connection_pool.connection_kwargs
    return f"redis://{options['host']}:{options['port']}/0"


def _has_accepted(room: Room, count: int) -> bool:
    return int(room.client.hget(room.head, "seq") or 0) > count


def _errors(client: redis.Redis, kind: str) -> int:
    row = client.info("errorstats").get(f"errorstat_{kind}", {"count": 0})
    return int(row["count"])
