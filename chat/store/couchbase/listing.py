"""All keys of a bucket, by whichever way its servers have.

Since Couchbase 7.6 a collection can be scanned by its keys. Older servers name their documents through a view: a
development view over the default collection is made for as long as the listing takes, which the user has to be
allowed to. Between them (7.0 to 7.5) a scope of ours can't be listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from couchbase.exceptions import CouchbaseException, DesignDocumentNotFoundException, FeatureUnavailableException
from couchbase.kv_range_scan import PrefixScan, RangeScan
from couchbase.management.views import DesignDocument, DesignDocumentNamespace, View
from couchbase.options import ScanOptions, ViewOptions
from couchbase.views import ViewScanConsistency

from chat.errors import StoreError, StoreMisconfigured, StoreUnavailable
from chat.store.base import Kind
from chat.store.couchbase.faults import outage_of
from chat.store.couchbase.keyspace import Keyspace
from chat.store.couchbase.session import Timeouts, open_bucket
from chat.store.listing import Listing
from config.couchbase_url import CouchbaseAddress

SCAN_TIMEOUT = timedelta(hours=12)  # for a whole bucket, on slow disks
OWN = "~"  # keys of documents that the adapter tries the cluster with; no id begins so
DESIGN, VIEW = "chat_copy", "keys"  # one name: what a killed run leaves is the next one's, which takes it away
MAP = "function (doc, meta) { var end = meta.id.indexOf(':'); if (end > 0) emit(meta.id.slice(0, end), null); }"
TEMPORARY = DesignDocumentNamespace.DEVELOPMENT


@contextmanager
def couchbase_listing(address: CouchbaseAddress, timeouts: Timeouts = Timeouts()) -> Iterator[Listing]:  # noqa: B008
    """List a bucket; raises StoreUnavailable, StoreMisconfigured."""
    cluster, bucket = open_bucket(address, timeouts)
    try:
        if _can_scan(bucket, address.scope):
            yield ScanListing(bucket, address.scope)
        elif address.scope is None:
            with _view(bucket) as design:
                yield ViewListing(bucket, design)
        else:
            fault = "its servers can't list a scope (Couchbase 7.6 can); upgrade it to copy from it"
            raise StoreMisconfigured("list", f"{address.place}: {fault}")
    except CouchbaseException as exc:
        raise _told(address, exc) from exc
    finally:
        cluster.close()


class ScanListing:
    """The keys of each collection, or under each prefix of the default one, as a scan streams them."""

    def __init__(self, bucket: Any, scope: str | None) -> None:
        self._keyspace = Keyspace(bucket, scope)
        self._has_prefix = scope is None

    def keys(self, kind: Kind) -> Iterator[str]:
        prefix = f"{kind}:" if self._has_prefix else ""
        term = PrefixScan(prefix) if prefix else RangeScan()
        options = ScanOptions(ids_only=True, timeout=SCAN_TIMEOUT)
        for found in self._keyspace.collection(kind).scan(term, options):
            key = found.id.removeprefix(prefix)
            if not key.startswith(OWN):
                yield key

    def count(self, kind: Kind) -> int:
        return sum(1 for _ in self.keys(kind))


class ViewListing:
    """The keys of the default collection under each prefix, as a view over all of it has them."""

    def __init__(self, bucket: Any, design: str) -> None:
        self._bucket = bucket
        self._design = design

    def keys(self, kind: Kind) -> Iterator[str]:
        prefix = f"{kind}:"
        options = ViewOptions(
            namespace=TEMPORARY,
            full_set=True,  # a development view looks at a part of the documents otherwise
            scan_consistency=ViewScanConsistency.REQUEST_PLUS,
            key=kind.value,
            timeout=SCAN_TIMEOUT,
        )
        for row in self._bucket.view_query(self._design, VIEW, options).rows():
            if row.id.startswith(prefix) and not row.id.startswith(prefix + OWN):
                yield row.id.removeprefix(prefix)

    def count(self, kind: Kind) -> int:
        return sum(1 for _ in self.keys(kind))


def _can_scan(bucket: Any, scope: str | None) -> bool:
    """Ask for the first key: servers that can't, say so at once."""
    collection = Keyspace(bucket, scope).collection(Kind.ROOM)
    try:
        next(iter(collection.scan(RangeScan(), ScanOptions(ids_only=True))), None)
    except FeatureUnavailableException:
        return False
    return True


@contextmanager
def _view(bucket: Any) -> Iterator[str]:
    manager = bucket.view_indexes()
    manager.upsert_design_document(DesignDocument(DESIGN, {VIEW: View(map=MAP)}), TEMPORARY)
    try:
        yield DESIGN
    finally:
        with suppress(DesignDocumentNotFoundException):
            manager.drop_design_document(DESIGN, TEMPORARY)


def _told(address: CouchbaseAddress, exc: CouchbaseException) -> StoreError:
    fault = outage_of("list", exc)
    return type(fault)("list", f"{address.place}: {fault.fault}") if isinstance(fault, StoreUnavailable) else fault
