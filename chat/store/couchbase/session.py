"""An open connection to a cluster, and what was found out about it when it was opened."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from couchbase.auth import PasswordAuthenticator
from couchbase.cluster import Cluster
from couchbase.exceptions import CouchbaseException
from couchbase.options import ClusterOptions, ClusterTimeoutOptions, UpsertOptions

from chat.errors import StoreMisconfigured, StoreUnavailable
from chat.store.base import Kind
from chat.store.couchbase.diagnosis import why_no_answer
from chat.store.couchbase.durability import Durability, Option, find_durability
from chat.store.couchbase.faults import is_silence, outage_of
from chat.store.couchbase.flight import RAW
from chat.store.couchbase.keyspace import Keyspace
from config.couchbase_url import CouchbaseAddress
from config.durability import StoreDurability

PROBE = "~durability~"  # no id has a tilde
PROBE_EXPIRES_S = 60


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long what may take."""

    operation_s: float = 2.5  # the SDK's own default for one key-value operation
    # All that one call does, connecting too. The settler takes a lost message for gone after 8 s, and a drain
    # must not store it after that; nor can one that waits renew its lease.
    call_s: float = 4.0  # where copies are asked for afterwards, the SDK takes half a second more
    connect_s: float = 4.0  # logging in, and opening the bucket


@dataclass(frozen=True, slots=True)
class Session:
    """One open connection."""

    cluster: Any
    keyspace: Keyspace
    durability: Durability


# What a cluster can keep does not change while this process runs; trying it drops connections of old servers.
_found: dict[tuple[CouchbaseAddress, StoreDurability], Durability] = {}


def open_session(address: CouchbaseAddress, choice: StoreDurability, timeouts: Timeouts) -> Session:
    """Connect, find out which durability can be kept, and return what calls need.

    Raises: StoreUnavailable, StoreMisconfigured; both say the fault and never the login.
    """
    if (address, choice) not in _found:
        _found[address, choice] = _find_durability(address, choice, timeouts)
    cluster, bucket = open_bucket(address, timeouts)
    return Session(cluster, Keyspace(bucket, address.scope), _found[address, choice])


def open_bucket(address: CouchbaseAddress, timeouts: Timeouts) -> tuple[Any, Any]:
    """Log in and return the SDK's cluster and bucket; raises as `open_session`."""
    if address.certificate and not os.access(address.certificate, os.R_OK):
        fault = f"{Path(address.certificate)} can't be read; mend the certificate in STORE_URL"
        raise StoreMisconfigured("connect", fault)
    cluster = None
    try:
        cluster = Cluster(address.connection_string, _options(address, timeouts))
        return cluster, cluster.bucket(address.bucket)
    except CouchbaseException as exc:
        if cluster is not None:
            cluster.close()
        raise _fault_of(address, exc, has_login=cluster is not None) from exc


def _options(address: CouchbaseAddress, timeouts: Timeouts) -> ClusterOptions:
    connect = timedelta(seconds=timeouts.connect_s)
    login = PasswordAuthenticator(address.username, address.password, cert_path=address.certificate)
    return ClusterOptions(
        login,
        timeout_options=ClusterTimeoutOptions(
            bootstrap_timeout=connect,
            kv_timeout=timedelta(seconds=timeouts.operation_s),
            kv_durable_timeout=timedelta(seconds=timeouts.operation_s),
        ),
        # both wake threads that nobody listens to
        enable_tracing=False,
        enable_metrics=False,
    )


def _fault_of(address: CouchbaseAddress, exc: CouchbaseException, *, has_login: bool) -> StoreUnavailable:
    fault = outage_of("connect", exc)
    if isinstance(fault, StoreMisconfigured) or not is_silence(exc):
        return type(fault)("connect", f"{address.place}: {fault.fault}")
    if has_login:
        return StoreUnavailable("connect", f"{address.place}: the bucket did not open in time; is it there?")
    return StoreUnavailable("connect", f"{address.place}: {why_no_answer(address)}")


def _find_durability(address: CouchbaseAddress, choice: StoreDurability, timeouts: Timeouts) -> Durability:
    return find_durability(choice, lambda option: _try_write(address, option, timeouts))


def _try_write(address: CouchbaseAddress, option: Option, timeouts: Timeouts) -> CouchbaseException | None:
    cluster, bucket = open_bucket(address, timeouts)
    keyspace = Keyspace(bucket, address.scope)
    options = {"durability": option} if option else {}
    options |= {"transcoder": RAW, "expiry": timedelta(seconds=PROBE_EXPIRES_S)}
    options |= {"timeout": timedelta(seconds=timeouts.operation_s)}
    try:
        keyspace.collection(Kind.ROOM).upsert(keyspace.name(Kind.ROOM, PROBE), b"{}", UpsertOptions(**options))
    except CouchbaseException as exc:
        return exc
    finally:
        cluster.close()
    return None
