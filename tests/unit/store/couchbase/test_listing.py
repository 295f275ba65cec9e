"""How a cluster that can scan is asked for its keys: the mock can't, and has views."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from couchbase.exceptions import FeatureUnavailableException
from couchbase.kv_range_scan import PrefixScan, RangeScan

from chat.errors import StoreMisconfigured
from chat.store.base import Kind
from chat.store.couchbase import listing
from chat.store.couchbase.listing import ScanListing, couchbase_listing
from config.couchbase_url import read_couchbase


class Bucket:
    """A bucket, scope and collection in one; remembers what was scanned for."""

    def __init__(self, *found: str, fault: Exception | None = None) -> None:
        self.found = found
        self.fault = fault
        self.scans: list[tuple[str, Any, Any]] = []
        self._name = ""

    def default_collection(self) -> Bucket:
        self._name = "_default"
        return self

    def scope(self, _: str) -> Bucket:
        return self

    def collection(self, name: str) -> Any:
        return SimpleNamespace(scan=lambda term, options: self.scan(term, options, name))

    def scan(self, term: Any, options: Any, name: str = "_default") -> list[Any]:
        if self.fault:
            raise self.fault
        self.scans.append((name, term, options))
        return [SimpleNamespace(id=each) for each in self.found]

    def close(self) -> None:
        pass


def test_one_prefix_is_scanned_for_when_kinds_share_the_default_collection() -> None:
    bucket = Bucket("room:a", "room:b:c", "room:~durability~")
    assert list(ScanListing(bucket, None).keys(Kind.ROOM)) == ["a", "b:c"]
    [(name, term, options)] = bucket.scans
    assert (name, type(term)) == ("_default", PrefixScan)
    assert term.prefix == "room:"
    assert options["ids_only"]


def test_a_whole_collection_is_scanned_when_each_kind_has_its_own() -> None:
    bucket = Bucket("a", "room:b", "~durability~")
    assert list(ScanListing(bucket, "talk").keys(Kind.ROOM)) == ["a", "room:b"]
    assert ScanListing(bucket, "talk").count(Kind.ROOM) == 2
    name, term, _ = bucket.scans[0]
    assert (name, type(term)) == ("room", RangeScan)


def test_a_scope_is_said_to_be_unlistable_when_its_servers_cannot_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket(fault=FeatureUnavailableException())
    monkeypatch.setattr(listing, "open_bucket", lambda *_: (bucket, bucket))
    address = read_couchbase("couchbase://u:p@127.0.0.1/chat?scope=talk")
    with (
        pytest.raises(StoreMisconfigured, match=r"can't list a scope \(Couchbase 7.6 can\)"),
        couchbase_listing(address),
    ):
        pass
