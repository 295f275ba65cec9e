"""Fixtures that every test may ask for, and which process runs which tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import redis
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling, Scheduling

from tests.support.couchbase_bucket import MockBucket
from tests.support.couchbase_jar import JarMissing, jar, java
from tests.support.couchbase_mock import CouchbaseMock
from tests.support.valkey import ValkeyProcess

# How long an example takes says how busy the machine is, nothing about the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# A stack takes nine seconds of processor to start: files that share one go to one process.
SHARING = ("tests/acceptance/browser/", "tests/acceptance/test_", "tests/faults/test_system_")


class LoadSharing(LoadFileScheduling):  # type: ignore[misc] # it has no types
    """A file's tests run in one process, and so do those of all files whose names begin alike in SHARING."""

    def _split_scope(self, nodeid: str) -> str:
        return next(filter(nodeid.startswith, SHARING), super()._split_scope(nodeid))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes run tests, begin with what takes longest, so that they end together."""
    if hasattr(config, "workerinput"):
        items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    """Return 0 for what shares a system, 1 for the files with faults, 2 for all others; each stays in its order."""
    if item.nodeid.startswith(SHARING):
        return 0
    return 1 if item.nodeid.startswith("tests/faults/") else 2


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling | None:
    """Under `--dist loadfile`, keep together what shares a running system."""
    return LoadSharing(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """The address of one real server for the whole session; its data is whatever earlier tests left."""
    with ValkeyProcess() as server:
        yield server.url


@pytest.fixture
def redis_url(valkey_url: str) -> str:
    """The address of the same server, emptied: data, functions, scripts and other clients' subscriptions."""
    with redis.Redis.from_url(valkey_url) as client:
        client.client_kill_filter(skipme=True)
        client.flushall()
        client.script_flush()
    return valkey_url


@pytest.fixture(scope="session")
def couchbase_runs() -> None:
    """CouchbaseMock can run here; otherwise the test is skipped, or fails where it is required."""
    try:
        java()
        jar()
    except JarMissing as missing:
        if os.environ.get("REQUIRE_COUCHBASE") == "1":
            raise
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def shared_couchbase(couchbase_runs: None) -> Iterator[CouchbaseMock]:
    """One CouchbaseMock of three nodes and a replica for the whole session: not for faults of the whole process."""
    with CouchbaseMock() as mock:
        yield mock


@pytest.fixture
def couchbase_bucket(shared_couchbase: CouchbaseMock) -> Iterator[MockBucket]:
    """An empty bucket of the session's mock for one test, who may fail its nodes."""
    with shared_couchbase.fresh_bucket() as bucket:
        yield bucket


@pytest.fixture
def couchbase_mock(couchbase_runs: None) -> Iterator[CouchbaseMock]:
    """A mock for one test alone, who may freeze, kill and restart it."""
    with CouchbaseMock() as mock:
        yield mock
