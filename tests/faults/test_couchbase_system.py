"""The whole system on a Couchbase that freezes, fails over, refuses and forgets: people keep chatting."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.chat_system import FOR_CROWDS, WORKERS, healed, room_name
from tests.support.couchbase_bucket import Status
from tests.support.couchbase_system import CouchbaseSystem
from tests.support.crowd import Crowd, Verdict
from tests.support.editor import Editor
from tests.support.rounds import assert_nothing_was_missed, needs_node, talk
from tests.support.wait import eventually

IS_LONG = os.environ.get("LONG_FAULTS") == "1"  # as long as real outages; otherwise past every timeout once
FREEZE_S = 30.0 if IS_LONG else 6.0  # a call gives up after 4 s
FAILOVER_S = 20.0 if IS_LONG else 4.0
FAIL_S = 10.0 if IS_LONG else 5.0
DRAINED_WITHIN_S = 60.0

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]


@pytest.fixture(scope="session")
def running_couchbase(couchbase_runs: None) -> Iterator[CouchbaseSystem]:
    """The stack as `make run` starts it, on a mock of its own."""
    with CouchbaseSystem(FOR_CROWDS) as system:
        yield system


@pytest.fixture
def system(running_couchbase: CouchbaseSystem) -> Iterator[CouchbaseSystem]:
    """The same, healed from what an earlier test did."""
    with healed(running_couchbase) as system:
        yield system


@contextmanager
def nothing_goes_wrong(system: CouchbaseSystem, what: str) -> Iterator[tuple[Crowd, Editor]]:
    """Lend a crowd, and check all promises once what was done to the store is over."""
    crowd = Crowd(system, room_name())
    crowd.talk(0.5)
    with Editor(system.open_store(), crowd.room, lambda: crowd.sent) as editor:
        yield crowd, editor
        crowd.talk(0.5)
        heal_s = crowd.await_settled(DRAINED_WITHIN_S)
        eventually(lambda: editor.edits, DRAINED_WITHIN_S)
    stored = system.stored(crowd.room)
    verdict = crowd.verdict(stored)
    print(f"\n{what}: {crowd.sent} messages, each shown within {crowd.slowest_s * 1000:.0f} ms, all confirmed")
    print(f"{heal_s:.1f} s after the last; {editor.edits} edited meanwhile; {verdict}")
    assert verdict.is_clean
    assert editor.edits
    room = system.room(crowd.room)
    assert room is not None
    assert room["last_seq"] == crowd.sent
    assert editor.overwritten(stored, room) == 0
    history = crowd.listeners[0].history(crowd.room)
    assert [each["id"] for each in history] == [each["id"] for each in stored]


@needs_node
def test_a_hundred_clients_miss_nothing_when_each_sends_ten_messages(system: CouchbaseSystem) -> None:
    told = talk(system.ws_url, room_name(), clients=100, rounds=10, pause_ms=100)
    print("\n100 clients x 10 messages:", told)
    assert_nothing_was_missed(told, 100, 10)


def test_people_keep_chatting_when_the_store_is_frozen(system: CouchbaseSystem) -> None:
    with nothing_goes_wrong(system, f"frozen for {FREEZE_S:g} s") as (crowd, _), system.mock.frozen():
        before = crowd.confirmed
        crowd.talk(FREEZE_S)
        assert crowd.sent - crowd.confirmed > (crowd.sent - before) / 2, "the store was not away"


def test_nothing_is_lost_when_a_node_fails_over_and_comes_back(system: CouchbaseSystem) -> None:
    bucket = system.mock.bucket
    with nothing_goes_wrong(system, f"a node failed over for {FAILOVER_S:g} s") as (crowd, _):
        for node in range(system.mock.nodes if IS_LONG else 1):
            waiting: list[int] = []
            steps = {
                0.5: lambda node=node: bucket.failover(node),
                0.4 + FAILOVER_S: lambda waiting=waiting: waiting.append(crowd.sent - crowd.confirmed),
                0.5 + FAILOVER_S: lambda node=node: bucket.respawn(node),
            }
            crowd.talk(FAILOVER_S + 1, at=steps)
            assert waiting[0] > 0, "no write missed the node's copies"


def test_nothing_is_lost_when_all_nodes_are_too_busy(system: CouchbaseSystem) -> None:
    what = f"temporary failures for {FAIL_S:g} s"
    with nothing_goes_wrong(system, what) as (crowd, _), system.mock.bucket.failing(Status.TEMPORARY_FAILURE):
        before = crowd.confirmed
        crowd.talk(FAIL_S)
        assert crowd.sent - crowd.confirmed > (crowd.sent - before) / 2, "the store was not away"


def test_each_message_is_confirmed_once_when_workers_are_killed_in_mid_batch(system: CouchbaseSystem) -> None:
    with nothing_goes_wrong(system, "workers killed in mid-batch three times") as (crowd, editor):
        for _ in range(3):
            eventually(lambda: len(system.processes(WORKERS)) >= 6, DRAINED_WITHIN_S)
            crowd.talk(0.5)
            with system.mock.frozen():  # what a worker has sent by now is done after its death
                crowd.talk(0.5)
                assert system.kill(WORKERS)
                confirmed = crowd.confirmed
            # The next workers meet messages that were stored, edited since, and confirmed to nobody.
            eventually(lambda confirmed=confirmed: editor.edit_all(confirmed + 1, crowd.sent))  # type: ignore[misc]


def test_new_messages_are_kept_and_the_gap_is_shown_when_the_store_comes_back_empty(
    system: CouchbaseSystem,
) -> None:
    crowd = Crowd(system, room_name())
    crowd.talk(1)
    crowd.await_settled(DRAINED_WITHIN_S)
    system.mock.kill()
    crowd.talk(1)
    eventually(lambda: not system.is_ready(), DRAINED_WITHIN_S)
    system.mock.start()
    empty_at = time.monotonic()
    eventually(system.is_ready, DRAINED_WITHIN_S)
    ready_s = time.monotonic() - empty_at
    crowd.talk(1)
    heal_s = crowd.await_settled(DRAINED_WITHIN_S)

    stored = system.stored(crowd.room, up_to=crowd.sent)
    first = stored[0]["seq"]
    print(f"\n{crowd.sent} messages, the first {first - 1} went with the store; ready {ready_s:.1f} s later,")
    print(f"all others confirmed {heal_s:.1f} s after the last; {crowd.verdict(stored)}")
    assert [each["seq"] for each in stored] == list(range(first, crowd.sent + 1))
    assert 1 < first <= crowd.sent // 3 + 1, "only what was confirmed before may be gone"
    assert crowd.verdict(stored) == Verdict(lost=2 * (first - 1), reordered=len(crowd.talkers))
    assert f"store-lost-room room={crowd.room} " in system.stack.output

    for reader in (crowd.listeners[0], system.client()):  # who was there, and who comes now
        reader.join(crowd.room)
        assert reader.say(crowd.room, "after")["seq"] > crowd.sent
        reader.until(lambda reader=reader: reader.confirmed(), DRAINED_WITHIN_S)  # type: ignore[misc]
        assert [each["seq"] for each in reader.history(crowd.room, 50)][: len(stored)] == [
            each["seq"] for each in stored
        ]
        gap = reader.ask("get-messages", {"roomId": crowd.room, "before": first})
        assert gap == {"messages": [], "has_more": False}
    eventually(lambda: (system.room(crowd.room) or {}).get("last_seq") == crowd.sent + 2)
    assert (system.room(crowd.room) or {})["type"] == "channel"
    assert system.client().join(room_name())["last_seq"] == 0
