"""When a write counts: the options that are sent with it, found by trying them once.

Servers since 6.5 hold a write back until a majority of the copies has it. Older ones answer at once and are asked
afterwards which node has it; the same promise, several times slower.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from couchbase.durability import (
    ClientDurability,
    DurabilityLevel,
    PersistToExtended,
    ReplicateTo,
    ServerDurability,
)
from couchbase.exceptions import CouchbaseException

from chat.errors import StoreMisconfigured
from chat.store.couchbase.faults import IMPOSSIBLE, NO_SYNC_DURABILITY, outage_of
from config.durability import StoreDurability

Option: TypeAlias = ServerDurability | ClientDurability | None
TryWrite: TypeAlias = Callable[
    [Option], CouchbaseException | None
]  # write a document with this option, on a new connection

_LEVELS = {
    StoreDurability.AUTO: DurabilityLevel.MAJORITY,
    StoreDurability.MAJORITY: DurabilityLevel.MAJORITY,
    StoreDurability.PERSIST: DurabilityLevel.PERSIST_TO_MAJORITY,
}
# By replicas of the bucket: how many of them have to have it, so that most copies do.
_REPLICATE_TO = {1: ReplicateTo.ONE, 2: ReplicateTo.ONE, 3: ReplicateTo.TWO}
_PERSIST_TO = {
    0: PersistToExtended.ONE,
    1: PersistToExtended.TWO,
    2: PersistToExtended.TWO,
    3: PersistToExtended.THREE,
}
_MEND = "add nodes, lower the bucket's number of replicas or set STORE_DURABILITY=none"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Durability:
    """What is sent with each write."""

    option: Option = None

    @property
    def is_observed(self) -> bool:
        """Whether a document that can be read may still lack its copies."""
        return isinstance(self.option, ClientDurability)


def find_durability(choice: StoreDurability, try_write: TryWrite) -> Durability:
    """Return what this cluster can keep of the choice.

    Raises: StoreMisconfigured when it can't keep it, StoreUnavailable when it could not be tried.
    """
    if choice is StoreDurability.NONE:
        return Durability()
    wanted = ServerDurability(_LEVELS[choice])
    fault = try_write(wanted)
    if fault is None:
        return Durability(wanted)
    if isinstance(fault, IMPOSSIBLE):
        raise _cannot_keep(choice, "fewer nodes hold copies than the bucket asks for") from fault
    if not isinstance(fault, NO_SYNC_DURABILITY):
        raise outage_of("try STORE_DURABILITY", fault) from fault
    # A server that does not know the request drops the connection. So may a bad line: only twice is an answer.
    if (plain := try_write(None)) is not None:
        raise outage_of("try STORE_DURABILITY", plain) from plain
    if try_write(wanted) is None:
        return Durability(wanted)
    return _observed(choice, try_write)


def _observed(choice: StoreDurability, try_write: TryWrite) -> Durability:
    replicas = _count_replicas(try_write)
    log.info("store-durability-observed", extra={"replicas": replicas})
    if choice is StoreDurability.PERSIST:
        option = ClientDurability(ReplicateTo.NONE, _PERSIST_TO[replicas])
        if (fault := try_write(option)) is not None:
            raise _cannot_keep(choice, "the disks do not confirm") from fault
        return Durability(option)
    if replicas:
        return Durability(ClientDurability(_REPLICATE_TO[replicas], PersistToExtended.NONE))
    if choice is StoreDurability.MAJORITY:
        raise _cannot_keep(choice, "the bucket has no replicas")
    return Durability()


def _count_replicas(try_write: TryWrite) -> int:
    for replicas in (ReplicateTo.THREE, ReplicateTo.TWO, ReplicateTo.ONE):
        fault = try_write(ClientDurability(replicas, PersistToExtended.NONE))
        if fault is None:
            return int(replicas)
        if not isinstance(fault, IMPOSSIBLE):
            raise outage_of("count replicas", fault) from fault
    return 0


def _cannot_keep(choice: StoreDurability, fault: str) -> StoreMisconfigured:
    return StoreMisconfigured("try STORE_DURABILITY", f"{choice} can't be kept, {fault}; {_MEND}")
