"""Making the scope and its collections in a bucket, for who may: after it they can be used, made now or before."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from couchbase.exceptions import (
    BucketNotFoundException,
    CollectionAlreadyExistsException,
    CouchbaseException,
    FeatureUnavailableException,
    ScopeAlreadyExistsException,
    ScopeNotFoundException,
    UnsupportedOperation,
)

from chat.errors import StoreMisconfigured, StoreUnavailable
from chat.store.base import Kind
from chat.store.couchbase.durability import Durability
from chat.store.couchbase.faults import ABSENT, outage_of
from chat.store.couchbase.flight import Flight, Read
from chat.store.couchbase.keyspace import Keyspace
from chat.store.couchbase.session import Timeouts, open_bucket
from config.couchbase_url import CouchbaseAddress

DEFAULT_SCOPE = "_default"  # every bucket has it
USABLE_WITHIN_S = 30.0  # each node hears of a new collection by itself
ASK_EVERY_S = 0.2
KEYS = tuple(f"~setup~{n}" for n in range(32))  # so many that each node has some; no id has a tilde
# With the bucket open, a "bucket not found" is the answer of a server that has no such page.
NO_COLLECTIONS = (BucketNotFoundException, FeatureUnavailableException, UnsupportedOperation)


def make_collections(
    address: CouchbaseAddress,
    scope: str,
    timeouts: Timeouts = Timeouts(),  # noqa: B008 (frozen)
    within_s: float = USABLE_WITHIN_S,
) -> Iterator[str]:
    """Make what is missing, and yield a line for each once it can be used.

    Raises: StoreUnavailable, StoreMisconfigured.
    """
    cluster, bucket = open_bucket(address, timeouts)
    deadline = time.monotonic() + within_s
    with closing(cluster):
        manager = bucket.collections()
        if scope != DEFAULT_SCOPE:
            is_new = _made(lambda: manager.create_scope(scope), ScopeAlreadyExistsException)
            yield f"scope {scope}: {_told(is_new)}"
        news = {kind: _make_collection(manager, scope, kind, deadline) for kind in Kind}
        _await_usable(bucket, scope, timeouts.operation_s, deadline)
        for kind, is_new in news.items():
            yield f"collection {kind}: {_told(is_new)}"


def _make_collection(manager: Any, scope: str, kind: Kind, deadline: float) -> bool:
    while True:
        try:
            return _made(lambda: manager.create_collection(scope, kind.value), CollectionAlreadyExistsException)
        except StoreMisconfigured as exc:  # another node is asked than the one that made the scope
            if not isinstance(exc.__cause__, ScopeNotFoundException) or time.monotonic() > deadline:
                raise
            time.sleep(ASK_EVERY_S)


def _made(make: Callable[[], object], exists: type[CouchbaseException]) -> bool:
    """Return whether it was made now."""
    try:
        make()
    except exists:
        return False
    except NO_COLLECTIONS as exc:
        fault = "the server has no collections (Couchbase 7 has); leave out ?scope= in STORE_URL"
        raise StoreMisconfigured("setup", fault) from exc
    except CouchbaseException as exc:
        raise outage_of("setup", exc) from exc
    return True


def _await_usable(bucket: Any, scope: str, timeout_s: float, deadline: float) -> None:
    flight = Flight(Keyspace(bucket, scope), Durability())
    while True:
        landings = flight.fly([Read(kind, key) for kind in Kind for key in KEYS], timeout_s)
        faults = [each for each in landings if isinstance(each, Exception) and not isinstance(each, ABSENT)]
        if not faults:
            return
        if time.monotonic() > deadline:
            raise StoreUnavailable(
                "setup", "made, but not usable yet; look again with `python -m chat.store check`"
            )
        time.sleep(ASK_EVERY_S)


def _told(is_new: bool) -> str:
    return "made" if is_new else "there already"
