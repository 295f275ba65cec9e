"""The store port on a Couchbase bucket: key-value and sub-document operations, nothing else.

One call is one flight when all goes well: a batch of new messages and the raises of their rooms are under way at
the same time. A raise that got through without its messages leaves a gap in the numbers; messages that did without
their raise are found again behind the last known number (chat.services.cold_start), and until both are through
nothing is confirmed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from chat.errors import (
    CasMismatch,
    DocumentMissing,
    DocumentRefused,
    StoreMisconfigured,
    StoreUnavailable,
)
from chat.store.base import (
    Document,
    Insert,
    JsonPath,
    Kind,
    Outcome,
    Refused,
    Unavailable,
    Write,
    cas_of_insert,
    fault_of_document,
    fault_of_key,
    fault_of_write,
)
from chat.store.bodies import Unfit, with_paths
from chat.store.couchbase.batch import fly_batch
from chat.store.couchbase.call import Call
from chat.store.couchbase.connection import Connection
from chat.store.couchbase.faults import ABSENT, CHANGED, IN_DOUBT, NOT_BY_PATH, outage_of
from chat.store.couchbase.flight import Read, Swap
from chat.store.couchbase.native import native_sleep
from chat.store.couchbase.paths import as_changes
from chat.store.couchbase.recent import Recent
from chat.store.couchbase.session import Timeouts, open_session
from chat.store.couchbase.steps import End, step_of
from config.couchbase_url import CouchbaseAddress
from config.durability import StoreDurability

PING = "~ping~"  # no id has a tilde
FIRST_BACKOFF_S = 0.002  # between two tries to change a document that others change too, doubled each time
LONGEST_BACKOFF_S = 0.05


class CouchbaseStore:
    """The store port; nothing connects before the first call, and each process has a connection of its own."""

    def __init__(
        self,
        address: CouchbaseAddress,
        durability: StoreDurability = StoreDurability.AUTO,
        timeouts: Timeouts | None = None,
        *,
        connection: Connection | None = None,
    ) -> None:
        self.round_trips = 0
        self._timeouts = timeouts or Timeouts()
        self._connection = connection or Connection(partial(open_session, address, durability, self._timeouts))
        self._recent = Recent()

    def ping(self) -> None:
        call = self._call("ping")
        landing = call.one(Read(Kind.ROOM, PING))
        if isinstance(landing, Exception) and not isinstance(landing, ABSENT):
            raise outage_of("ping", landing) from landing

    def get(self, kind: Kind, key: str) -> Document | None:
        return self._read("get", kind, [key]).get(key)

    def get_many(self, kind: Kind, keys: Iterable[str]) -> dict[str, Document]:
        return self._read("get_many", kind, keys)

    def insert(self, kind: Kind, key: str, body: bytes) -> int:
        [end] = self._write("insert", [Insert(kind, key, body)])
        if isinstance(end, Exception):
            raise outage_of("insert", end) from end
        return cas_of_insert(kind, key, end)

    def write_many(self, writes: Sequence[Write]) -> list[Outcome]:
        try:
            ends = self._write("write_many", writes)
        except StoreUnavailable as exc:
            ends = [exc] * len(writes)
        return [_unavailable(end) if isinstance(end, Exception) else end for end in ends]

    def replace(self, kind: Kind, key: str, body: bytes, cas: int) -> int:
        if fault := fault_of_document(key, body):
            raise DocumentRefused(f"{kind} {key!r}: {fault}")
        call = self._call("replace")
        # A cas of 0 is none for the SDK: it would replace whatever is there.
        landing = call.one(Swap(kind, key, body, cas) if cas else Read(kind, key))
        if isinstance(landing, int):
            return landing
        if isinstance(landing, IN_DOUBT) and not call.is_observed:
            found = call.one(Read(kind, key))
            if isinstance(found, Document) and found.body == body:
                return found.cas
        if isinstance(landing, (CHANGED, Document)):
            raise CasMismatch(f"{kind} {key!r} changed since it was read")
        raise call.fault(kind, key, landing) from landing

    def update_paths(
        self,
        kind: Kind,
        key: str,
        *,
        sets: Mapping[JsonPath, object] = {},
        removes: Iterable[JsonPath] = (),
    ) -> int:
        if fault_of_key(key):
            raise DocumentMissing(f"there is no {kind} {key!r}")
        removed = list(removes)
        call = self._call("update_paths")
        changes = as_changes(sets, removed)
        if changes is None:
            return self._update_whole(call, kind, key, sets, removed)
        landing = call.change(kind, key, changes)
        if isinstance(landing, NOT_BY_PATH + IN_DOUBT):
            return self._update_whole(call, kind, key, sets, removed)
        if isinstance(landing, Exception):
            raise call.fault(kind, key, landing) from landing
        assert isinstance(landing, int)
        return landing

    def delete(self, kind: Kind, key: str) -> bool:
        if fault_of_key(key):
            return False
        call = self._call("delete")
        landing = call.remove(kind, key)
        if isinstance(landing, IN_DOUBT) and isinstance(call.one(Read(kind, key)), ABSENT):
            return True
        if isinstance(landing, Exception) and not isinstance(landing, ABSENT):
            raise outage_of("delete", landing) from landing
        return not isinstance(landing, ABSENT)

    def close(self) -> None:
        self._connection.close()

    def _call(self, action: str) -> Call:
        return Call(action, self._connection, self._timeouts, self._count)

    def _count(self) -> None:
        self.round_trips += 1  # exact: CPython does not switch threads within this line

    def _read(self, action: str, kind: Kind, keys: Iterable[str]) -> dict[str, Document]:
        wanted = [Read(kind, key) for key in dict.fromkeys(keys) if fault_of_key(key) is None]
        if not wanted:
            return {}
        found: dict[str, Document] = {}
        for landing in self._call(action).fly(wanted):
            if isinstance(landing, Document):
                found[landing.key] = landing
            elif isinstance(landing, Exception) and not isinstance(landing, ABSENT):
                raise outage_of(action, landing) from landing
        return found

    def _write(self, action: str, writes: Sequence[Write]) -> list[End]:
        faults = [fault_of_write(write) for write in writes]
        sound = [write for write, fault in zip(writes, faults, strict=True) if fault is None]
        ends = self._write_sound(action, sound)
        if ends and all(isinstance(end, Exception) for end in ends):
            return ends[:1] * len(writes)  # an outage is one for all of the batch
        each = iter(ends)
        return [next(each) if fault is None else Refused(fault) for fault in faults]

    def _write_sound(self, action: str, writes: Sequence[Write]) -> list[End]:
        if not writes:
            return []
        call = self._call(action)
        step = partial(
            step_of,
            recent=self._recent,
            is_observed=call.is_observed,
            is_found_to_count=action == "write_many",
        )
        return fly_batch(writes, step, call.fly)

    def _update_whole(
        self, call: Call, kind: Kind, key: str, sets: Mapping[JsonPath, object], removes: Sequence[JsonPath]
    ) -> int:
        """Change a copy of the document and replace it, again and again while others are faster."""
        backoff_s = FIRST_BACKOFF_S
        while True:
            landing = call.one(Read(kind, key))
            if isinstance(landing, Document):
                try:
                    body = with_paths(landing.body, sets, removes)
                except Unfit as exc:
                    raise DocumentRefused(f"{kind} {key!r}: {exc}") from exc
                landing = call.one(Swap(kind, key, body, landing.cas))
            if isinstance(landing, int):
                return landing
            if isinstance(landing, Exception) and not isinstance(landing, (CHANGED, *IN_DOUBT)):
                raise call.fault(kind, key, landing) from landing
            native_sleep(backoff_s * random.uniform(0.5, 1.0))
            backoff_s = min(backoff_s * 2, LONGEST_BACKOFF_S)


def _unavailable(exc: Exception) -> Unavailable:
    fault = outage_of("write_many", exc)
    return Unavailable(str(fault), is_misconfigured=isinstance(fault, StoreMisconfigured))
