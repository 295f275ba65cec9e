"""What a call does with its time, what it counts, and what the connection hears of it."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from couchbase.durability import DurabilityLevel, ServerDurability
from couchbase.exceptions import (
    AmbiguousTimeoutException,
    AuthenticationException,
    DocumentNotFoundException,
    TemporaryFailException,
)

from chat.errors import DocumentMissing, StoreMisconfigured, StoreUnavailable
from chat.store.base import Kind
from chat.store.couchbase.call import Call
from chat.store.couchbase.durability import Durability
from chat.store.couchbase.flight import Read
from chat.store.couchbase.keyspace import Keyspace
from chat.store.couchbase.session import Timeouts

MAJORITY = ServerDurability(DurabilityLevel.MAJORITY)
R = Kind.ROOM


class Cluster:
    """The SDK's collection and our connection at once: answers with `result`, remembers what it was asked."""

    def __init__(self, result: Any = None, option: Any = None) -> None:
        self.result = result if result is not None else SimpleNamespace(cas=7)
        self.asked: list[tuple[Any, ...]] = []
        self.heard: list[str] = []
        bucket = SimpleNamespace(default_collection=lambda: self)
        self._session = SimpleNamespace(keyspace=Keyspace(bucket, None), durability=Durability(option))

    def session(self, action: str, deadline: float) -> Any:
        return self._session

    def note_answer(self) -> None:
        self.heard.append("answer")

    def note_silence(self) -> None:
        self.heard.append("silence")

    def mutate_in(self, name: str, changes: Any, options: Any) -> Any:
        return self._answer("mutate_in", name, dict(options))

    def remove(self, name: str, options: Any) -> Any:
        return self._answer("remove", name, dict(options))

    def get_multi(self, names: list[str], options: Any) -> Any:
        self._answer("get_multi", names, dict(options))
        return SimpleNamespace(results={}, exceptions=dict.fromkeys(names, self.result))

    def _answer(self, *asked: Any) -> Any:
        self.asked.append(asked)
        if isinstance(self.result, Exception) and asked[0] != "get_multi":
            raise self.result
        return self.result


def call_on(cluster: Any, call_s: float = 4.0) -> tuple[Call, list[int]]:
    flights: list[int] = []
    timeouts = Timeouts(operation_s=2.5, call_s=call_s)
    return Call("get", cluster, timeouts, lambda: flights.append(1)), flights


@pytest.mark.parametrize("option", [None, MAJORITY])
def test_a_change_and_a_removal_send_the_durability_and_a_timeout(option: Any) -> None:
    cluster = Cluster(option=option)
    call, flights = call_on(cluster)

    assert (call.change(R, "r", ["a change"]), call.remove(R, "r")) == (7, 7)
    assert [asked[:2] for asked in cluster.asked] == [("mutate_in", "room:r"), ("remove", "room:r")]
    for *_, options in cluster.asked:
        assert options.pop("timeout") <= timedelta(seconds=2.5)
        assert options == ({"durability": option} if option else {})
    assert (len(flights), cluster.heard) == (2, ["answer"] * 2)


def test_an_operation_has_no_more_time_than_the_call() -> None:
    cluster = Cluster(DocumentNotFoundException())
    call, _ = call_on(cluster, call_s=1.0)

    call.one(Read(R, "r"))
    assert cluster.asked[0][2]["timeout"] <= timedelta(seconds=1)


def test_nothing_is_asked_when_the_time_is_over() -> None:
    cluster = Cluster()
    call, flights = call_on(cluster, call_s=0.0)

    assert [str(each) for each in call.fly([Read(R, "a"), Read(R, "b")])] == [
        "the document store is not available (get): no answer in time"
    ] * 2
    assert (cluster.asked, flights, cluster.heard) == ([], [], [])


@pytest.mark.parametrize(
    ("fault", "heard"),
    [
        (AmbiguousTimeoutException(), "silence"),
        (RuntimeError("closed"), "silence"),
        (TemporaryFailException(), "answer"),
        (DocumentNotFoundException(), "answer"),
    ],
)
def test_the_connection_hears_whether_anybody_answered(fault: Exception, heard: str) -> None:
    cluster = Cluster(fault)
    call, _ = call_on(cluster)

    assert (call.one(Read(R, "r")), call.remove(R, "r")) == (fault, fault)
    assert cluster.heard == [heard] * 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (DocumentNotFoundException(), DocumentMissing),
        (AuthenticationException(), StoreMisconfigured),
        (AmbiguousTimeoutException(), StoreUnavailable),
    ],
)
def test_a_fault_becomes_an_error_of_ours(fault: Exception, error: type[Exception]) -> None:
    call, _ = call_on(Cluster())

    assert type(call.fault(R, "r", fault)) is error
