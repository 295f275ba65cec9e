"""What a check makes of the SDK's own exceptions: the mock has no scopes, no TLS and lets everybody in."""

from __future__ import annotations

from typing import Any

import pytest
from couchbase.exceptions import (
    AuthenticationException,
    BucketNotFoundException,
    CollectionNotFoundException,
    CouchbaseException,
    DocumentNotFoundException,
    DurabilityImpossibleException,
    ScopeNotFoundException,
    UnAmbiguousTimeoutException,
)

from chat.store.base import Kind
from chat.store.couchbase import session
from chat.store.couchbase.check import check_couchbase
from chat.store.findings import Finding
from config.couchbase_url import read_couchbase
from config.durability import StoreDurability
from tests.support.ports import free_port

MAJORITY = StoreDurability.MAJORITY


class Cluster:
    """The SDK's cluster, bucket, scope and collection in one; raises where it is told to."""

    def __init__(self, **faults: CouchbaseException) -> None:
        self.faults = faults
        self.is_closed = False

    def connect(self, *_: object) -> Cluster:
        return self._answer("connect")

    def bucket(self, _: str) -> Cluster:
        return self._answer("bucket")

    def scope(self, _: str) -> Cluster:
        return self

    def collection(self, name: str) -> Cluster:
        return Cluster(**{"read": self.faults[name]}) if name in self.faults else self

    def upsert(self, *_: object) -> Cluster:
        return self._answer("upsert")

    def get_multi(self, keys: list[str], _: object) -> Any:
        fault = self.faults.get("read", DocumentNotFoundException())
        return type("Answer", (), {"exceptions": dict.fromkeys(keys, fault), "results": {}})()

    def close(self) -> None:
        self.is_closed = True

    def _answer(self, name: str) -> Cluster:
        if name in self.faults:
            raise self.faults[name]
        return self


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Check a cluster that raises these, at an address where nobody listens."""
    monkeypatch.setattr(session, "_found", {})
    host = f"127.0.0.1:{free_port()}"

    def run(**faults: CouchbaseException) -> list[Finding]:
        cluster = Cluster(**faults)
        monkeypatch.setattr(session, "Cluster", cluster.connect)
        findings = list(check_couchbase(read_couchbase(f"couchbase://u:hush@{host}/chat?scope=talk"), MAJORITY))
        assert not any("hush" in each.text for each in findings)
        assert cluster.is_closed or "connect" in faults
        return findings

    return run


def test_everything_is_told_when_all_is_in_order(check: Any) -> None:
    login, kinds, durability = check()
    assert login.text.endswith(": the login is taken and the bucket is open")
    assert kinds.text.endswith(f": collections {', '.join(Kind)} can be read")
    assert durability.text == "STORE_DURABILITY majority is kept: the cluster confirms a write at MAJORITY"


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        (
            {"connect": AuthenticationException()},
            "the user or the password is wrong, or may not do this; mend STORE_URL",
        ),
        (
            {"bucket": AuthenticationException()},
            "the user or the password is wrong, or may not do this; mend STORE_URL",
        ),
        ({"bucket": BucketNotFoundException()}, "there is no such bucket for this user; mend STORE_URL"),
        (
            {"connect": UnAmbiguousTimeoutException()},
            "can't be reached, nobody listens there; start Couchbase there",
        ),
        ({"bucket": UnAmbiguousTimeoutException()}, "the bucket did not open in time"),
        ({"upsert": ScopeNotFoundException()}, "the scope is missing; make it with `python -m chat.store setup`"),
        (
            {"upsert": CollectionNotFoundException()},
            "a collection is missing; make it with `python -m chat.store setup`",
        ),
        (
            {"room": CollectionNotFoundException()},
            "room: a collection is missing; make it with `python -m chat.store",
        ),
    ],
)
def test_one_line_names_the_address_the_fault_and_the_mend(
    check: Any, faults: dict[str, CouchbaseException], told: str
) -> None:
    [line] = [each.text for each in check(**faults) if each.is_fault]
    assert line.startswith("STORE_URL leads to bucket chat scope talk at 127.0.0.1:")
    assert told in line
    assert "; " in line


def test_the_durability_is_named_when_it_cannot_be_kept(check: Any) -> None:
    [finding] = check(upsert=DurabilityImpossibleException())
    assert finding.is_fault
    assert finding.text.startswith("STORE_DURABILITY majority can't be kept, fewer nodes hold copies")
    assert "; add nodes" in finding.text
