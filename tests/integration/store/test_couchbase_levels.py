"""Durability levels on the wire: CouchbaseMock hangs up on a request that has one, and does any that has none."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest
from couchbase.durability import DurabilityLevel, ServerDurability

from chat.errors import StoreUnavailable
from chat.store.base import Insert, Kind, Raise, SetPaths, Store, Unavailable, Write
from chat.store.couchbase.adapter import CouchbaseStore
from chat.store.couchbase.connection import Connection
from chat.store.couchbase.durability import Durability
from chat.store.couchbase.keyspace import Keyspace
from chat.store.couchbase.session import Session, Timeouts, open_bucket
from config.couchbase_url import read_couchbase
from tests.support.couchbase_bucket import MockBucket
from tests.support.wait import eventually

ROOM, BODY = Kind.ROOM, b'{"n":1}'
TIMEOUTS = Timeouts(operation_s=1, call_s=2)
LEVELS = (DurabilityLevel.MAJORITY, DurabilityLevel.PERSIST_TO_MAJORITY)
pytestmark = pytest.mark.timeout(60)


def store_on(bucket: MockBucket, durability: Durability) -> CouchbaseStore:
    address = read_couchbase(bucket.url)

    def opened() -> Session:
        cluster, opened = open_bucket(address, Timeouts())
        return Session(cluster, Keyspace(opened, None), durability)

    return CouchbaseStore(address, timeouts=TIMEOUTS, connection=Connection(opened))


def written(store: Store, write: Write) -> None:
    [outcome] = store.write_many([write])
    if isinstance(outcome, Unavailable):
        raise StoreUnavailable("write_many", outcome.reason)


def is_open(store: Store) -> bool:
    try:
        store.ping()
    except StoreUnavailable:
        return False
    return True


WRITES: dict[str, Callable[[Store, int], object]] = {
    "insert": lambda store, _: written(store, Insert(ROOM, "new", BODY)),
    "raise": lambda store, _: written(store, Raise(ROOM, "r", "n", 2)),
    "set": lambda store, _: written(store, SetPaths(ROOM, "r", {("n",): 2})),
    "replace": lambda store, cas: store.replace(ROOM, "r", b'{"n":2}', cas),
    "path": lambda store, _: store.update_paths(ROOM, "r", sets={("n",): 2}),
    "delete": lambda store, _: store.delete(ROOM, "r"),
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", WRITES)
def test_no_write_is_sent_without_its_level(
    couchbase_bucket: MockBucket, name: str, level: DurabilityLevel
) -> None:
    with (
        closing(store_on(couchbase_bucket, Durability())) as plain,
        closing(store_on(couchbase_bucket, Durability(ServerDurability(level)))) as store,
    ):
        eventually(lambda: is_open(plain) and is_open(store), 30)
        plain.insert(ROOM, "r", BODY)
        found = plain.get(ROOM, "r")
        assert found is not None
        with pytest.raises(StoreUnavailable):
            WRITES[name](store, found.cas)
        assert plain.get_many(ROOM, ["r", "new"]) == {"r": found}
        WRITES[name](plain, found.cas)
        assert plain.get_many(ROOM, ["r", "new"]) != {"r": found}
