"""The Couchbase adapter against the SDK's real protocol: what no other store has, and what happens in a fault."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from couchbase.durability import ClientDurability

from chat.errors import StoreMisconfigured, StoreUnavailable
from chat.store.base import Exists, Insert, Kind, Missing, Raise, Refused, Unavailable, Write, Written
from chat.store.couchbase.adapter import CouchbaseStore
from chat.store.couchbase.connection import Connection
from chat.store.couchbase.session import Timeouts, open_session
from config.couchbase_url import read_couchbase
from config.durability import StoreDurability
from tests.support.couchbase_bucket import MockBucket, Operation, Status
from tests.support.couchbase_mock import CouchbaseMock
from tests.support.wait import eventually

MESSAGE, ROOM = Kind.MESSAGE, Kind.ROOM
SHORT = Timeouts(operation_s=0.3, call_s=0.6)
LONGEST_CALL_S = 5.0
pytestmark = pytest.mark.timeout(120)


@contextmanager
def store_on(
    bucket: MockBucket,
    timeouts: Timeouts | None = None,
    durability: StoreDurability = StoreDurability.AUTO,
    *,
    reopen_after_s: float = 60,
) -> Iterator[CouchbaseStore]:
    timeouts = timeouts or Timeouts()
    opened = partial(open_session, read_couchbase(bucket.url), durability, timeouts)
    connection = Connection(opened, reopen_after_s=reopen_after_s)
    with closing(CouchbaseStore(read_couchbase(bucket.url), durability, timeouts, connection=connection)) as store:
        eventually(lambda: is_open(store))
        yield store


def is_open(store: CouchbaseStore) -> bool:
    """Return whether it answers; connecting takes longer than hasty calls wait."""
    try:
        store.ping()
    except StoreMisconfigured:
        raise
    except StoreUnavailable:
        return False
    return True


def took(call: Callable[[], Any]) -> tuple[Any, float]:
    begun = time.monotonic()
    result = call()
    return result, time.monotonic() - begun


def seen(bucket: MockBucket, kind: Kind, key: str) -> bytes | None:
    """Return the body as another client reads it."""
    with store_on(bucket) as other:
        found = other.get(kind, key)
    return found.body if found else None


# What a batch costs


def test_a_batch_of_messages_and_their_rooms_is_one_flight(couchbase_bucket: MockBucket) -> None:
    with store_on(couchbase_bucket, durability=StoreDurability.NONE) as store:
        store.insert(ROOM, "r", b'{"last_seq":0}')
        store.write_many([Raise(ROOM, "r", "last_seq", 1)])
        before = store.round_trips
        batch = [Insert(MESSAGE, f"r:{n}", b"{}") for n in range(100)]
        with couchbase_bucket.counting() as operations:
            outcomes = store.write_many([*batch, Raise(ROOM, "r", "last_seq", 100)])

        assert {type(each) for each in outcomes} == {Written}
        assert store.round_trips == before + 1
    assert operations == {"ADD": 100, "REPLACE": 1}


def test_a_page_is_one_multi_get(couchbase_bucket: MockBucket) -> None:
    with store_on(couchbase_bucket) as store:
        store.write_many([Insert(MESSAGE, f"r:{n}", b"{}") for n in range(50)])
        before = store.round_trips
        with couchbase_bucket.counting() as operations:
            assert len(store.get_many(MESSAGE, [f"r:{n}" for n in range(50)])) == 50
        assert store.round_trips == before + 1
    assert operations == {"GET": 50}


def test_a_path_is_one_operation(couchbase_bucket: MockBucket) -> None:
    with store_on(couchbase_bucket, durability=StoreDurability.NONE) as store:
        store.insert(ROOM, "r", b"{}")
        with couchbase_bucket.counting() as operations:
            store.update_paths(ROOM, "r", sets={("members", "ann.b"): {"role": "owner"}})
    assert operations == {"SUBDOC_MULTI_MUTATION": 1}


# Durability


def test_a_server_without_synchronous_durability_is_asked_for_its_copies(couchbase_bucket: MockBucket) -> None:
    with store_on(couchbase_bucket) as store:
        option = store._connection.session("look", time.monotonic() + 1).durability.option
        assert isinstance(option, ClientDurability)
        assert int(option.replicate_to) == 1
        store.insert(ROOM, "r", b'{"a":1}')
        for node in range(2):  # whatever node had it, its replica takes over
            couchbase_bucket.failover(node)
            couchbase_bucket.respawn(node)
    assert seen(couchbase_bucket, ROOM, "r") == b'{"a":1}'


def test_majority_is_refused_where_the_bucket_has_no_replicas() -> None:
    with CouchbaseMock(nodes=1, replicas=0) as mock:
        with store_on(mock.bucket) as store:
            store.insert(ROOM, "auto", b"{}")
        with (
            pytest.raises(StoreMisconfigured, match="majority can't be kept, the bucket has no replicas"),
            store_on(mock.bucket, durability=StoreDurability.MAJORITY),
        ):
            pass


# Doubt


def test_a_message_that_was_written_although_no_answer_came_is_written(couchbase_mock: CouchbaseMock) -> None:
    bucket = couchbase_mock.bucket
    with store_on(bucket, Timeouts(operation_s=4, call_s=20), StoreDurability.NONE) as store:
        store.insert(ROOM, "r", b'{"n":1}')
        store.write_many([Raise(ROOM, "r", "n", 2)])
        # Its node is another one: what waits for a connection is never sent, and leaves no doubt.
        assert store.get(MESSAGE, "m") is None
        before = store.round_trips
        batch: list[Write] = [Insert(MESSAGE, "m", b'{"a":1}'), Raise(ROOM, "r", "n", 7)]
        with couchbase_mock.frozen(), ThreadPoolExecutor(1) as side:
            writing = side.submit(store.write_many, batch)
            eventually(lambda: store.round_trips > before, 30)  # nobody answered in time
            couchbase_mock.thaw()
            outcomes = writing.result(30)
        assert store.round_trips == before + 2  # the writes, and the look for what became of them

    assert [type(each) for each in outcomes] == [Written, Written]
    assert (seen(bucket, MESSAGE, "m"), seen(bucket, ROOM, "r")) == (b'{"a":1}', b'{"n":7}')


def test_a_write_that_is_done_long_after_its_call_is_found_by_the_next(couchbase_mock: CouchbaseMock) -> None:
    with store_on(couchbase_mock.bucket, SHORT, StoreDurability.NONE) as store:
        batch = [Insert(MESSAGE, f"m{n}", b'{"a":1}') for n in range(20)]
        with couchbase_mock.frozen():
            outcomes, spent_s = took(lambda: store.write_many(batch))
        assert {type(each) for each in outcomes} == {Unavailable}
        assert spent_s < LONGEST_CALL_S

        def again() -> bool:
            return {type(each) for each in store.write_many(batch)} <= {Written, Exists}

        eventually(again)
        assert store.write_many(batch) == [Exists(b'{"a":1}')] * 20


def test_no_call_takes_longer_than_the_settler_waits(couchbase_mock: CouchbaseMock) -> None:
    with store_on(couchbase_mock.bucket) as store:
        cas = store.insert(ROOM, "r", b"{}")
        calls: dict[str, Callable[[], object]] = {
            "write_many": lambda: store.write_many([Insert(MESSAGE, "m", b"{}"), Raise(ROOM, "r", "n", 1)]),
            "get": lambda: store.get(ROOM, "r"),
            "insert": lambda: store.insert(ROOM, "new", b"{}"),
            "replace": lambda: store.replace(ROOM, "r", b"{}", cas),
            "update_paths": lambda: store.update_paths(ROOM, "r", sets={("a",): 1}),
            "delete": lambda: store.delete(ROOM, "r"),
        }
        spent: dict[str, float] = {}

        def run(name: str) -> None:
            try:
                _, spent[name] = took(lambda: outcome(calls[name]))
            except BaseException as exc:
                spent[name] = float("inf")
                raise AssertionError(name) from exc

        with couchbase_mock.frozen():
            threads = [threading.Thread(target=run, args=(name,)) for name in calls]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert spent.keys() == calls.keys()
    assert max(spent.values()) < LONGEST_CALL_S, spent


def outcome(call: Callable[[], object]) -> None:
    with suppress(StoreUnavailable):
        assert isinstance(call(), list)


# Faults that pass, and faults that don't


def test_a_busy_node_makes_nobody_wait_for_ever_and_nothing_is_lost(couchbase_bucket: MockBucket) -> None:
    with store_on(couchbase_bucket, SHORT) as store:
        with couchbase_bucket.failing(Status.TEMPORARY_FAILURE):
            [first] = store.write_many([Insert(MESSAGE, "m", b"{}")])
        assert isinstance(first, Unavailable)
        assert not first.is_misconfigured
        [second] = store.write_many([Insert(MESSAGE, "m", b"{}")])
        assert isinstance(second, Written)


def test_a_document_that_the_server_finds_too_large_is_refused_alone(couchbase_bucket: MockBucket) -> None:
    with store_on(couchbase_bucket, durability=StoreDurability.NONE) as store:
        store.insert(ROOM, "r", b'{"n":1}')
        store.write_many([Raise(ROOM, "r", "n", 2)])
        with couchbase_bucket.failing(Status.TOO_LARGE, Operation.ADD):
            outcomes = store.write_many([Insert(MESSAGE, "m", b"{}"), Raise(ROOM, "r", "n", 3)])
        assert outcomes[0] == Refused("the document is larger than the store takes")
        assert isinstance(outcomes[1], Written)


@pytest.mark.parametrize(
    ("mend", "said"),
    [
        ({"bucket": "nope"}, "there is no such bucket"),
        ({"scope": "chat"}, "the server has no collections"),
    ],
)
def test_a_place_that_is_not_there_is_told_apart_from_an_outage(
    couchbase_bucket: MockBucket, mend: dict[str, Any], said: str
) -> None:
    address = replace(read_couchbase(couchbase_bucket.url), **mend)
    with closing(CouchbaseStore(address, StoreDurability.NONE)) as store:
        with pytest.raises(StoreMisconfigured, match=said) as caught:
            store.ping()
        assert "secret" not in str(caught.value)
        [told] = store.write_many([Insert(MESSAGE, "m", b"{}")])
        assert isinstance(told, Unavailable)
        assert told.is_misconfigured
        assert "secret" not in told.reason


def test_nobody_waits_longer_for_a_cluster_that_is_not_there(couchbase_mock: CouchbaseMock) -> None:
    address = read_couchbase(couchbase_mock.bucket.url)
    couchbase_mock.kill()
    with closing(CouchbaseStore(address)) as store:
        for _ in range(2):
            [told], spent_s = took(lambda: store.write_many([Insert(MESSAGE, "m", b"{}")]))
            assert isinstance(told, Unavailable)
            assert spent_s < LONGEST_CALL_S
        couchbase_mock.start()
        eventually(lambda: isinstance(store.write_many([Insert(MESSAGE, "m", b"{}")])[0], Written), 30)


# It comes back


@pytest.mark.fault
def test_the_sdk_finds_back_when_the_cluster_comes_back_empty(couchbase_mock: CouchbaseMock) -> None:
    with store_on(couchbase_mock.bucket, SHORT) as store:
        store.insert(ROOM, "r", b'{"n":1}')
        store.write_many([Raise(ROOM, "r", "n", 2)])
        couchbase_mock.restart()

        def is_back() -> bool:
            return isinstance(store.write_many([Insert(MESSAGE, "m", b"{}")])[0], Written | Exists)

        eventually(is_back, 30)
        raised: list[object] = []

        def is_reached() -> bool:  # on another node, to which the SDK finds back by itself
            raised[:] = store.write_many([Raise(ROOM, "r", "n", 3)])
            return not isinstance(raised[0], Unavailable)

        eventually(is_reached, 30)
        # What was remembered of a document does not bring it back.
        assert raised == [Missing()]
        assert store.get(ROOM, "r") is None


@pytest.mark.fault
def test_a_connection_that_stays_silent_is_opened_anew(couchbase_bucket: MockBucket) -> None:
    with store_on(couchbase_bucket, SHORT, reopen_after_s=0.5) as store:
        first = store._connection.session("look", time.monotonic() + 1)
        first.cluster.close()  # as if the SDK had lost its way: every call of it fails

        def is_back() -> bool:
            return isinstance(store.write_many([Insert(MESSAGE, "m", b"{}")])[0], Written | Exists)

        eventually(is_back, 30)
        assert store._connection.session("look", time.monotonic() + 1) is not first
