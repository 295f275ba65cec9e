"""The mock of our tests does what its methods say, as the SDK sees it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from couchbase.auth import PasswordAuthenticator
from couchbase.cluster import Cluster
from couchbase.collection import Collection
from couchbase.exceptions import (
    AmbiguousTimeoutException,
    AuthenticationException,
    CouchbaseException,
    DocumentExistsException,
    DocumentNotFoundException,
)
from couchbase.options import ClusterOptions, ClusterTimeoutOptions

from tests.support import couchbase_jar
from tests.support.couchbase_bucket import MockBucket, Operation, Status
from tests.support.couchbase_jar import JarMissing
from tests.support.wait import eventually

TIMEOUT_S = 0.5
CHANGE_S = 20  # until the SDK knows of another map, on a busy machine
LEAST_DELAYED_ACK_S = 0.04  # of Linux: what a batch takes, in every try, while Nagle's algorithm is on
COUNTS = 20
ROUNDS_LOGGED = 20  # of reading all documents: a log that takes a while to be read
DOCUMENTS = {f"k{number}": {"number": number} for number in range(30)}


@contextmanager
def connected(bucket: MockBucket) -> Iterator[Collection]:
    timeouts = ClusterTimeoutOptions(kv_timeout=timedelta(seconds=TIMEOUT_S))
    options = ClusterOptions(
        PasswordAuthenticator("chat", "secret"),
        timeout_options=timeouts,
        config_poll_interval=timedelta(milliseconds=100),  # how soon it sees that the map changed
    )
    cluster = Cluster.connect(f"couchbase://127.0.0.1:{bucket.ports[0]}", options)
    try:
        yield cluster.bucket(bucket.name).default_collection()
    finally:
        cluster.close()


def succeeds(call: Callable[[], object]) -> bool:
    try:
        call()
    except CouchbaseException:
        return False
    return True


def test_a_bucket_is_empty_when_a_test_asks_for_one(couchbase_bucket, shared_couchbase):
    with connected(couchbase_bucket) as collection:
        collection.insert("one", {})
        with pytest.raises(DocumentExistsException):
            collection.insert("one", {})
        with shared_couchbase.fresh_bucket() as other, connected(other) as elsewhere:
            elsewhere.insert("one", {})
        couchbase_bucket.flush()
        collection.insert("one", {})


def test_its_url_names_a_node_and_the_bucket_when_it_runs(couchbase_bucket):
    assert couchbase_bucket.url.endswith(f"@127.0.0.1:{couchbase_bucket.ports[0]}/{couchbase_bucket.name}")
    assert len(couchbase_bucket.ports) == 3


def test_operations_are_counted_by_what_they_are_when_they_reach_a_node(couchbase_bucket):
    with connected(couchbase_bucket) as collection, couchbase_bucket.counting() as counts:
        assert collection.insert_multi(DOCUMENTS).all_ok
        assert collection.get_multi(list(DOCUMENTS)).all_ok
    assert counts == {"ADD": len(DOCUMENTS), "GET": len(DOCUMENTS)}


def test_operations_are_counted_while_others_reach_a_node(couchbase_bucket):
    is_over = threading.Event()
    rounds = 0

    def read_on() -> None:
        nonlocal rounds
        while not is_over.is_set():
            collection.get_multi(list(DOCUMENTS))
            rounds += 1

    with connected(couchbase_bucket) as collection, ThreadPoolExecutor(1) as pool:
        assert collection.insert_multi(DOCUMENTS).all_ok
        reading = pool.submit(read_on)
        try:
            for _ in range(COUNTS):
                with couchbase_bucket.counting() as counts:
                    until = rounds + ROUNDS_LOGGED
                    eventually(lambda until=until: rounds >= until)  # type: ignore[misc]
                assert set(counts) == {"GET"}
        finally:
            is_over.set()
        reading.result()


def test_writes_come_through_again_when_temporary_failures_end(couchbase_bucket):
    with connected(couchbase_bucket) as collection:
        with couchbase_bucket.failing(Status.TEMPORARY_FAILURE):
            assert not succeeds(lambda: collection.upsert("k", {}))
        collection.upsert("k", {})


def test_only_one_sort_of_operation_fails_when_it_is_named(couchbase_bucket):
    with connected(couchbase_bucket) as collection:
        with couchbase_bucket.failing(Status.TEMPORARY_FAILURE, Operation.ADD):
            collection.upsert("k", {})
            assert not succeeds(lambda: collection.insert("other", {}))
        collection.insert("other", {})


def test_a_login_is_refused_when_logins_are_told_to_fail(couchbase_bucket):
    with (
        couchbase_bucket.failing(Status.AUTH_ERROR, Operation.SASL_AUTH),
        pytest.raises(AuthenticationException),
        connected(couchbase_bucket),
    ):
        pass


def test_documents_survive_when_nodes_fail_over_and_come_back(couchbase_bucket):
    documents: dict[str, object] = dict(DOCUMENTS)

    def found() -> dict[str, object]:
        results = collection.get_multi(list(documents)).results
        return {key: result.content_as[dict] for key, result in results.items()}

    with connected(couchbase_bucket) as collection:
        assert collection.upsert_multi(documents).all_ok
        for node in range(3):
            couchbase_bucket.failover(node)
            eventually(lambda: found() == documents, CHANGE_S)
            documents["last"] = {"node": node}
            eventually(lambda: succeeds(lambda: collection.upsert("last", documents["last"])), CHANGE_S)
            couchbase_bucket.respawn(node)
            eventually(lambda: found() == documents, CHANGE_S)


def test_calls_time_out_and_then_come_through_when_it_freezes_and_thaws(couchbase_mock):
    with connected(couchbase_mock.bucket) as collection:
        collection.upsert("k", {"a": 1})
        with couchbase_mock.frozen(), pytest.raises(AmbiguousTimeoutException):
            collection.upsert("k", {"a": 2})
        eventually(lambda: collection.get("k").content_as[dict] == {"a": 2})  # it was applied later


def test_it_is_empty_at_the_same_address_when_it_was_killed_and_started(couchbase_mock):
    url = couchbase_mock.url
    with connected(couchbase_mock.bucket) as collection:
        collection.upsert("k", {})
        couchbase_mock.restart()
        assert couchbase_mock.url == url
        eventually(lambda: succeeds(lambda: collection.upsert("other", {})))
        with pytest.raises(DocumentNotFoundException):
            collection.get("k")


def test_a_batch_is_answered_without_waiting_when_its_connection_is_known(couchbase_bucket):
    def took_s() -> float:
        begun = time.monotonic()
        assert collection.upsert_multi(DOCUMENTS).all_ok
        return time.monotonic() - begun

    with connected(couchbase_bucket) as collection:
        eventually(lambda: took_s() < LEAST_DELAYED_ACK_S)


def test_documents_expire_when_its_clock_moves(couchbase_mock):
    with connected(couchbase_mock.bucket) as collection:
        collection.upsert("k", {}, expiry=timedelta(seconds=60))
        couchbase_mock.travel(120)
        with pytest.raises(DocumentNotFoundException):
            collection.get("k")


def test_one_is_told_what_to_install_when_there_is_no_java(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(JarMissing, match="default-jre-headless"):
        couchbase_jar.java()


def test_one_is_told_what_to_install_when_there_is_no_jar_and_no_maven(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(JarMissing, match="apt-get install maven"):
        couchbase_jar.jar()


def test_a_broken_jar_is_not_taken_when_a_cache_has_one(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "chat-tests").mkdir()
    (tmp_path / "chat-tests" / couchbase_jar.FILE).write_bytes(b"half of it")
    with pytest.raises(JarMissing):
        couchbase_jar.jar()
