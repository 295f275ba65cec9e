"""What setup asks of the SDK, and what it makes of the answers: the mock has no collections."""

from __future__ import annotations

from typing import Any

import pytest
from couchbase.exceptions import (
    AuthenticationException,
    BucketNotFoundException,
    CollectionAlreadyExistsException,
    CouchbaseException,
    DocumentNotFoundException,
    ScopeAlreadyExistsException,
    ScopeNotFoundException,
    UnAmbiguousTimeoutException,
)

from chat.errors import StoreMisconfigured, StoreUnavailable
from chat.store.base import Kind
from chat.store.couchbase import setup
from chat.store.couchbase.setup import make_collections
from config.couchbase_url import read_couchbase

ADDRESS = read_couchbase("couchbase://u:p@127.0.0.1/chat?scope=talk")
KINDS = [kind.value for kind in Kind]


class Cluster:
    """The SDK's cluster, bucket, scope and collection in one, with the answers that it is told to give."""

    def __init__(self, **faults: CouchbaseException) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.faults = faults
        self.unusable = 0  # how many looks at the collections fail before one comes through
        self.unaware = 0  # how often the new scope is not known yet
        self.is_closed = False

    def collections(self) -> Cluster:
        return self

    def create_scope(self, scope: str) -> None:
        self._answer("create_scope", scope)

    def create_collection(self, scope: str, collection: str) -> None:
        self._answer("create_collection", scope, collection)

    def scope(self, name: str) -> Cluster:
        assert name in ("talk", "_default")
        return self

    def collection(self, name: str) -> Cluster:
        assert name in KINDS
        return self

    def get_multi(self, keys: list[str], _: object) -> Any:
        assert len(keys) > 20, "each node has to be asked"
        self.unusable -= 1
        faults: dict[str, CouchbaseException] = dict.fromkeys(keys, DocumentNotFoundException())
        if self.unusable >= 0:
            faults[keys[-1]] = UnAmbiguousTimeoutException()  # its node is the last to hear
        return type("Answer", (), {"exceptions": faults, "results": {}})()

    def close(self) -> None:
        self.is_closed = True

    def _answer(self, name: str, *words: str) -> None:
        self.calls.append((name, *words))
        if name == "create_collection" and self.unaware > 0:
            self.unaware -= 1
            raise ScopeNotFoundException()
        if name in self.faults:
            raise self.faults[name]


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(setup, "ASK_EVERY_S", 0.01)

    def use(cluster: Cluster) -> Cluster:
        monkeypatch.setattr(setup, "open_bucket", lambda *_: (cluster, cluster))
        return cluster

    return use


def test_the_scope_and_a_collection_for_each_kind_are_made_when_they_are_missing(connected: Any) -> None:
    cluster = connected(Cluster())
    lines = list(make_collections(ADDRESS, "talk"))
    assert lines == ["scope talk: made", *(f"collection {kind}: made" for kind in KINDS)]
    assert cluster.calls == [("create_scope", "talk"), *(("create_collection", "talk", kind) for kind in KINDS)]
    assert cluster.is_closed


def test_nothing_is_wrong_when_everything_is_there_already(connected: Any) -> None:
    there = {"create_scope": ScopeAlreadyExistsException(), "create_collection": CollectionAlreadyExistsException()}
    connected(Cluster(**there))
    lines = list(make_collections(ADDRESS, "talk"))
    assert lines == ["scope talk: there already", *(f"collection {kind}: there already" for kind in KINDS)]


def test_the_default_scope_is_not_made_when_it_is_named(connected: Any) -> None:
    cluster = connected(Cluster())
    assert "scope" not in " ".join(make_collections(ADDRESS, "_default"))
    assert all(name == "create_collection" for name, *_ in cluster.calls)


def test_one_waits_until_the_collections_can_be_used_when_nodes_hear_of_them_late(connected: Any) -> None:
    cluster = connected(Cluster())
    cluster.unusable = 3 * len(KINDS)
    assert len(list(make_collections(ADDRESS, "talk"))) == 1 + len(KINDS)
    assert cluster.unusable < 0


def test_one_waits_until_the_new_scope_is_known_when_nodes_hear_of_it_late(connected: Any) -> None:
    cluster = connected(Cluster())
    cluster.unaware = 3
    assert len(list(make_collections(ADDRESS, "talk"))) == 1 + len(KINDS)
    cluster.unaware = 10**6
    with pytest.raises(StoreMisconfigured, match="the scope is missing"):
        list(make_collections(ADDRESS, "talk", within_s=0.05))


def test_one_is_told_when_the_collections_do_not_become_usable(connected: Any) -> None:
    cluster = connected(Cluster())
    cluster.unusable = 10**6
    with pytest.raises(StoreUnavailable, match="not usable yet"):
        list(make_collections(ADDRESS, "talk", within_s=0.05))
    assert cluster.is_closed


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (BucketNotFoundException(), "the server has no collections"),
        (AuthenticationException(), "the user or the password is wrong, or may not do this"),
    ],
)
def test_the_fault_is_told_when_they_cannot_be_made(connected: Any, fault: CouchbaseException, told: str) -> None:
    connected(Cluster(create_scope=fault))
    with pytest.raises(StoreMisconfigured, match=told):
        list(make_collections(ADDRESS, "talk"))
