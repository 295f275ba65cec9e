"""What the store is asked for each message and page, as CouchbaseMock's own command log counts it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.chat_client import ChatClient
from tests.support.chat_system import ChatSystem, paced, room_name
from tests.support.couchbase_bucket import MockBucket
from tests.support.couchbase_mock import CouchbaseMock

ROOMS = 5
ROUNDS, PAUSE_S, ROUND_MESSAGES = 40, 0.1, 10  # of each room: 500 messages a second over all, for 4 s
MESSAGES = ROOMS * ROUNDS * ROUND_MESSAGES
ROUND_TRIPS_BOUND = 0.02  # a message
# Besides its own insert: a message's share of the raises of its room and of its sender's cursor, and what a raise
# reads when another worker process was there before it.
OTHERS_BOUND = 0.3  # a message, with this many rooms at once and a sender in each
RAISES = 2  # of a room with one sender, in each batch
# Of a write, on a server without synchronous durability such as the mock; one when the copy is there at once.
OBSERVES_BOUND = 2
PAGE = 50
TRIES = 20  # workers count unread messages anew for a while after the last one


@pytest.fixture(scope="module")
def bucket(shared_couchbase: CouchbaseMock) -> Iterator[MockBucket]:
    """A bucket of three nodes and a replica, for one running system."""
    with shared_couchbase.fresh_bucket() as bucket:
        yield bucket


@pytest.fixture(scope="module")
def on_couchbase(bucket: MockBucket) -> Iterator[ChatSystem]:
    """The stack as `make run` starts it, with its documents in that bucket."""
    with ChatSystem({"STORE_URL": bucket.url, "MAX_MESSAGES_PER_S": "0"}) as system:
        yield system


@pytest.fixture
def system(on_couchbase: ChatSystem) -> Iterator[ChatSystem]:
    """The same, without clients of earlier tests."""
    yield on_couchbase
    on_couchbase.close_clients()


def joined(system: ChatSystem) -> tuple[ChatClient, str]:
    """Return a client in a room of its own that has a stored message already."""
    room, client = room_name(), system.client()
    client.join(room)
    client.say(room, "the first")
    client.until(lambda: client.of("message-confirmed"))
    return client, room


def measured(system: ChatSystem, bucket: MockBucket) -> tuple[Counter[str], int, int]:
    """Return the operations by name, the polls for copies apart, and our own counter's round trips."""
    speakers = [joined(system) for _ in range(ROOMS)]
    before = system.quiet_stats()
    with bucket.counting() as counts:
        for _ in paced(ROUNDS, PAUSE_S):
            for client, room in speakers:
                client.shout_many(room, ROUND_MESSAGES)
        for client, _ in speakers:
            client.until(lambda client=client: len(client.confirmed()) == 1 + ROUNDS * ROUND_MESSAGES, 60)  # type: ignore[misc]
        after = system.quiet_stats()
    system.close_clients()
    grown = {name: after[name] - before[name] for name in ("messagesConfirmed", "storeRoundTrips", "drainTasks")}
    counts.pop("SET", None)  # a process that connects only now finds out which durability it can have
    observes = counts.pop("OBSERVE_SEQNO")
    print(f"\n{grown}, {dict(counts)}, {observes} polls for copies")
    assert grown["messagesConfirmed"] == MESSAGES
    return counts, observes, grown["storeRoundTrips"]


def test_a_message_is_one_insert_and_a_small_share_of_a_batch(system: ChatSystem, bucket: MockBucket) -> None:
    counts, observes, round_trips = measured(system, bucket)
    assert 0 < round_trips <= ROUND_TRIPS_BOUND * MESSAGES
    assert counts["ADD"] == MESSAGES
    assert set(counts) <= {"ADD", "REPLACE", "GET"}
    assert counts.total() - MESSAGES <= OTHERS_BOUND * MESSAGES
    assert counts["REPLACE"] <= RAISES * ROOMS * round_trips
    assert observes <= OBSERVES_BOUND * counts.total()


def page_of(client: ChatClient, bucket: MockBucket, asked: dict[str, Any], gets: int) -> dict[str, Any]:
    """Return a page that cost so many gets and nothing else, in a moment when no worker asks for anything."""
    for _ in range(TRIES):
        with bucket.counting() as counts:
            page: dict[str, Any] = client.ask("get-messages", asked)
        if counts == {"GET": gets}:
            break
    assert counts == {"GET": gets}
    return page


def test_a_page_is_one_get_for_each_message_and_one_to_see_whether_there_are_more(
    system: ChatSystem, bucket: MockBucket
) -> None:
    client, room = joined(system)
    client.shout_many(room, PAGE + 9)
    client.until(lambda: len(client.confirmed()) == PAGE + 10)
    system.quiet_stats()
    newest = page_of(client, bucket, {"roomId": room, "limit": PAGE}, PAGE + 1)
    assert [each["seq"] for each in newest["messages"]] == list(range(11, PAGE + 11))
    assert newest["has_more"]
    oldest = page_of(client, bucket, {"roomId": room, "before": PAGE + 1, "limit": PAGE}, PAGE)
    assert [each["seq"] for each in oldest["messages"]] == list(range(1, PAGE + 1))
    assert not oldest["has_more"]
