"""The document stores that the contract runs on: a new adapter is one more line in `ADAPTERS`."""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from chat.errors import StoreUnavailable
from chat.store.base import Kind, Store
from chat.store.couchbase.adapter import CouchbaseStore
from chat.store.couchbase.session import Timeouts, open_bucket
from chat.store.offloaded import OffloadedStore
from chat.store.sqlite import SqliteStore
from chat.store.url import open_store
from config.couchbase_url import read_couchbase
from tests.support.couchbase_bucket import MockBucket, Status
from tests.support.couchbase_mock import CouchbaseMock
from tests.support.wait import eventually

OUTAGE_TIMEOUT_S = 0.05
HASTY = Timeouts(operation_s=0.2, call_s=0.4)


@dataclass(frozen=True, slots=True)
class Adapter:
    """An empty document store: how to reach it, and how to take it away for a while."""

    url: str  # for other processes
    open: Callable[[], Store]
    open_hasty: Callable[[], Store]  # gives up within a fraction of a second
    outage: Callable[[], AbstractContextManager[None]]  # no write comes through inside


def sqlite_adapter(folder: Path) -> Adapter:
    path = folder / "chat.db"
    url = f"sqlite:///{path}"

    @contextmanager
    def outage() -> Iterator[None]:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield

    return Adapter(
        url=url,
        open=lambda: open_store(url),
        open_hasty=lambda: SqliteStore(path, busy_timeout_s=OUTAGE_TIMEOUT_S),
        outage=outage,
    )


def offloaded(inner: Adapter) -> Adapter:
    return Adapter(
        url=inner.url,
        open=lambda: OffloadedStore(inner.open()),
        open_hasty=lambda: OffloadedStore(inner.open_hasty()),
        outage=inner.outage,
    )


def couchbase_adapter(bucket: MockBucket) -> Adapter:
    address = read_couchbase(bucket.url)

    @contextmanager
    def outage() -> Iterator[None]:
        with bucket.failing(Status.TEMPORARY_FAILURE):  # a frozen node would do the writes later
            yield

    return Adapter(
        url=bucket.url,
        open=lambda: open_store(bucket.url),
        open_hasty=lambda: CouchbaseStore(address, timeouts=HASTY),
        outage=outage,
    )


@pytest.fixture(scope="session")
def contract_bucket(shared_couchbase: CouchbaseMock) -> Iterator[MockBucket]:
    """A bucket for all of these tests: what a process finds out about a new one takes it a second."""
    with shared_couchbase.fresh_bucket() as bucket:
        yield bucket


def cluster_adapter(url: str) -> Adapter:
    """A scope of its own on the cluster that COUCHBASE_TEST_URL names, where there are collections."""

    @contextmanager
    def outage() -> Iterator[None]:
        pytest.skip("a cluster of somebody else's is not taken away")
        yield

    return Adapter(
        url=url,
        open=lambda: open_store(url),
        open_hasty=lambda: CouchbaseStore(read_couchbase(url), timeouts=HASTY),
        outage=outage,
    )


@pytest.fixture
def cluster_url() -> Iterator[str]:
    """The address of an empty scope, made for one test."""
    url = os.environ["COUCHBASE_TEST_URL"]
    address = replace(read_couchbase(url), scope=f"t{uuid.uuid4().hex[:12]}")
    cluster, bucket = open_bucket(address, Timeouts())
    with closing(cluster):
        collections = bucket.collections()
        collections.create_scope(address.scope)
        for kind in Kind:
            collections.create_collection(address.scope, kind.value)
        scoped = f"{url.partition('?')[0]}?scope={address.scope}"
        with closing(open_store(scoped)) as store:
            eventually(lambda: all(is_usable(store, kind) for kind in Kind), 30)
        yield scoped
        collections.drop_scope(address.scope)


def is_usable(store: Store, kind: Kind) -> bool:
    """Return whether a new collection has arrived at every node."""
    try:
        store.get_many(kind, [f"~{n}" for n in range(200)])
    except StoreUnavailable:
        return False
    return True


ADAPTERS = ["sqlite", "couchbase"]
if os.environ.get("COUCHBASE_TEST_URL"):
    ADAPTERS.append("cluster")


@pytest.fixture(params=[f"{each}{way}" for each in ADAPTERS for way in ("", "_offloaded")])
def adapter(request: pytest.FixtureRequest, tmp_path: Path) -> Adapter:
    name, _, way = request.param.partition("_")
    if name == "sqlite":
        inner = sqlite_adapter(tmp_path)
    elif name == "cluster":
        inner = cluster_adapter(request.getfixturevalue("cluster_url"))
    else:
        bucket: MockBucket = request.getfixturevalue("contract_bucket")
        bucket.flush()
        inner = couchbase_adapter(bucket)
    return offloaded(inner) if way else inner


@pytest.fixture
def store(adapter: Adapter) -> Iterator[Store]:
    with closing(adapter.open()) as store:
        eventually(lambda: is_usable(store, Kind.ROOM), 30)
        yield store
