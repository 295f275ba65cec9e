"""One call of the store port under way: its session, its deadline, and every flight that it waits for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from couchbase.options import MutateInOptions, RemoveOptions

from chat.errors import DocumentMissing, DocumentRefused, StoreError, StoreUnavailable
from chat.store.base import Kind
from chat.store.couchbase.connection import Connection
from chat.store.couchbase.faults import ABSENT, is_silence, outage_of, reason_to_refuse
from chat.store.couchbase.flight import Flight, Landing, Operation
from chat.store.couchbase.session import Timeouts

LEAST_TIMEOUT_S = 0.05  # less is no try at all
LATE = "no answer in time"


class Call:
    """Does operations until its deadline; `count` hears of each flight."""

    def __init__(self, action: str, connection: Connection, timeouts: Timeouts, count: Callable[[], None]) -> None:
        self._action = action
        self._deadline = time.monotonic() + timeouts.call_s
        self._timeout_s = timeouts.operation_s
        self._connection = connection
        self._count = count
        self._session = connection.session(action, self._deadline)
        self._flight = Flight(self._session.keyspace, self._session.durability)

    @property
    def is_observed(self) -> bool:
        """Whether a document that can be read may still lack its copies."""
        return self._session.durability.is_observed

    @property
    def is_late(self) -> bool:
        """Whether there is no time left to ask anything."""
        return self._deadline - time.monotonic() < LEAST_TIMEOUT_S

    def fly(self, operations: Sequence[Operation]) -> list[Landing]:
        """Do all of these at once, and return where each landed."""
        if self.is_late:
            return [StoreUnavailable(self._action, LATE)] * len(operations)
        return self._noted(self._flight.fly(operations, self._left_s()))

    def one(self, operation: Operation) -> Landing:
        """Do this one, and return where it landed."""
        return self.fly([operation])[0]

    def change(self, kind: Kind, key: str, changes: Sequence[Any]) -> Landing:
        """Change parts of a document; lands as its new cas."""
        options = MutateInOptions(**self._write_options())
        return self._alone(lambda: self._collection(kind).mutate_in(self._name(kind, key), changes, options).cas)

    def remove(self, kind: Kind, key: str) -> Landing:
        """Remove a document; lands as the last cas it had."""
        options = RemoveOptions(**self._write_options())
        return self._alone(lambda: self._collection(kind).remove(self._name(kind, key), options).cas)

    def fault(self, kind: Kind, key: str, exc: Exception) -> StoreError:
        """Return what to raise for an operation on this document that failed."""
        if isinstance(exc, ABSENT):
            return DocumentMissing(f"there is no {kind} {key!r}")
        if reason := reason_to_refuse(exc):
            return DocumentRefused(f"{kind} {key!r}: {reason}")
        return outage_of(self._action, exc)

    def _alone(self, send: Callable[[], Any]) -> Landing:
        landing: Landing
        try:
            landing = int(send())
        except Exception as exc:  # judged by the caller, as in a flight
            landing = exc
        return self._noted([landing])[0]

    def _noted(self, landings: list[Landing]) -> list[Landing]:
        self._count()
        if all(isinstance(landing, Exception) and is_silence(landing) for landing in landings):
            self._connection.note_silence()
        else:
            self._connection.note_answer()
        return landings

    def _left_s(self) -> float:
        return min(self._timeout_s, self._deadline - time.monotonic())

    def _write_options(self) -> dict[str, Any]:
        option = self._session.durability.option
        options: dict[str, Any] = {"durability": option} if option else {}
        return options | {"timeout": timedelta(seconds=max(self._left_s(), LEAST_TIMEOUT_S))}

    def _collection(self, kind: Kind) -> Any:
        return self._session.keyspace.collection(kind)

    def _name(self, kind: Kind, key: str) -> str:
        return self._session.keyspace.name(kind, key)
