"""What a cluster says when everything that the store needs of it is asked for once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from couchbase.durability import ClientDurability, ServerDurability

from chat.errors import StoreUnavailable
from chat.store.base import Kind
from chat.store.couchbase.durability import Durability
from chat.store.couchbase.faults import ABSENT, outage_of
from chat.store.couchbase.flight import Flight, Read
from chat.store.couchbase.session import Session, Timeouts, open_session
from chat.store.findings import Finding
from config.couchbase_url import CouchbaseAddress
from config.durability import StoreDurability

KEY = "~check~"  # no id has a tilde
MEND = "start the cluster or mend STORE_URL"


def check_couchbase(
    address: CouchbaseAddress,
    choice: StoreDurability,
    timeouts: Timeouts = Timeouts(),  # noqa: B008 (frozen)
) -> Iterator[Finding]:
    """Yield what is in order, and the first fault that nothing can be asked beyond."""
    try:
        session = open_session(address, choice, timeouts)
    except StoreUnavailable as exc:
        yield _fault(address, exc)
        return
    with closing(session.cluster):
        yield Finding(f"STORE_URL leads to {address.place}: the login is taken and the bucket is open")
        yield from _check_kinds(address, session, timeouts)
        yield Finding(f"STORE_DURABILITY {choice} is kept: {_kept(session.durability)}")


def _check_kinds(address: CouchbaseAddress, session: Session, timeouts: Timeouts) -> Iterator[Finding]:
    flight = Flight(session.keyspace, session.durability)
    landings = flight.fly([Read(kind, KEY) for kind in Kind], timeouts.operation_s)
    faults = {
        kind: outage_of("check", each)
        for kind, each in zip(Kind, landings, strict=True)
        if isinstance(each, Exception) and not isinstance(each, ABSENT)
    }
    for kind, fault in faults.items():
        yield _fault(address, fault, of=f"{kind}: ")
    if not faults:
        where = f"collections {', '.join(Kind)}" if address.scope else "documents in the default collection"
        yield Finding(f"STORE_URL leads to {address.place}: {where} can be read")


def _fault(address: CouchbaseAddress, exc: StoreUnavailable, of: str = "") -> Finding:
    if "can't be kept" in exc.fault:
        return Finding(f"STORE_DURABILITY {exc.fault}", is_fault=True)
    fault = exc.fault.removeprefix(f"{address.place}: ")
    mend = "" if ";" in fault else f"; {MEND}"
    return Finding(f"STORE_URL leads to {address.place}: {of}{fault}{mend}", is_fault=True)


def _kept(durability: Durability) -> str:
    option = durability.option
    if isinstance(option, ServerDurability):
        return f"the cluster confirms a write at {option.level.name}"
    if isinstance(option, ClientDurability):
        return "an older server; each write is asked for on its copies"
    return "a write counts in the memory of one node"
