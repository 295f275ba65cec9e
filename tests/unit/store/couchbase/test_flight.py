"""The exact calls of the SDK, and the options that are sent with each."""

from __future__ import annotations

import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from couchbase.durability import DurabilityLevel, ServerDurability
from couchbase.exceptions import DocumentExistsException
from couchbase.options import GetMultiOptions, InsertMultiOptions, ReplaceMultiOptions

from chat.store.base import Document, Kind
from chat.store.couchbase.durability import Durability
from chat.store.couchbase.flight import RAW, Flight, Put, Read, Swap
from chat.store.couchbase.keyspace import Keyspace

MAJORITY = ServerDurability(DurabilityLevel.MAJORITY)
M, R = Kind.MESSAGE, Kind.ROOM
RAW_2S = {"timeout": timedelta(seconds=2), "transcoder": RAW}


class Collection:
    """Stands at the SDK's own seam: remembers calls and answers each key with its cas, or as told."""

    def __init__(self, place: str = "default", faults: dict[str, Exception] | None = None) -> None:
        self.place, self.calls = place, []  # type: ignore[var-annotated]
        self.faults = faults or {}

    def get_multi(self, keys: list[str], options: GetMultiOptions) -> Any:
        return self._answer("get", keys, options)

    def insert_multi(self, bodies: dict[str, bytes], options: InsertMultiOptions) -> Any:
        return self._answer("insert", bodies, options)

    def replace_multi(self, bodies: dict[str, bytes], options: ReplaceMultiOptions) -> Any:
        return self._answer("replace", bodies, options)

    def _answer(self, name: str, what: Any, options: Any) -> Any:
        self.calls.append((name, what, dict(options)))
        return Answer(list(what), self.faults)


class Answer:
    """Builds what it is asked for anew each time, as the SDK's does."""

    built = 0

    def __init__(self, keys: list[str], faults: dict[str, Exception]) -> None:
        self.keys, self.faults = keys, faults

    @property
    def results(self) -> dict[str, Any]:
        Answer.built += 1
        return {key: SimpleNamespace(cas=7, value=b"{}") for key in self.keys if key not in self.faults}

    @property
    def exceptions(self) -> dict[str, Exception]:
        Answer.built += 1
        return {key: self.faults[key] for key in self.keys if key in self.faults}


class Bucket:
    def __init__(self, **faults: Exception) -> None:
        self.default = Collection(faults=faults)
        self.scopes: dict[str, dict[str, Collection]] = {}

    def default_collection(self) -> Collection:
        return self.default

    def scope(self, name: str) -> Any:
        made = self.scopes.setdefault(name, {})
        return SimpleNamespace(collection=lambda kind: made.setdefault(kind, Collection(kind)))


def flight(bucket: Bucket, option: Any = None, scope: str | None = None) -> Flight:
    return Flight(Keyspace(bucket, scope), Durability(option))


def test_a_batch_is_one_multi_for_each_sort_of_operation() -> None:
    bucket = Bucket()

    landings = flight(bucket, MAJORITY).fly(
        [Put(M, "a", b"1"), Read(R, "x"), Put(M, "b", b"2"), Swap(R, "r", b"3", 5), Swap(R, "s", b"4", 6)], 2.0
    )

    assert sorted(bucket.default.calls, key=lambda call: call[0]) == [
        ("get", ["room:x"], RAW_2S),
        ("insert", {"message:a": b"1", "message:b": b"2"}, RAW_2S | {"durability": MAJORITY}),
        (
            "replace",
            {"room:r": b"3", "room:s": b"4"},
            RAW_2S | {"durability": MAJORITY, "per_key_options": {"room:r": {"cas": 5}, "room:s": {"cas": 6}}},
        ),
    ]
    assert landings == [7, Document(R, "x", b"{}", 7), 7, 7, 7]


def test_the_sdk_builds_its_answers_once_however_long_a_batch_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Answer, "built", 0)

    flight(Bucket()).fly([Put(M, f"m{n}", b"1") for n in range(500)], 2.0)

    assert Answer.built <= 2  # what went well and what did not; for each document it took longer than the cluster


def test_no_durability_is_sent_where_none_was_chosen() -> None:
    bucket = Bucket()

    flight(bucket).fly([Put(M, "a", b"1"), Swap(M, "b", b"1", 2)], 2.0)

    assert all("durability" not in options for _, _, options in bucket.default.calls)


def test_kinds_have_collections_of_their_own_in_a_scope() -> None:
    bucket = Bucket()

    flight(bucket, scope="prod").fly([Put(M, "k", b"1"), Put(R, "k", b"2")], 2.0)

    made = bucket.scopes["prod"]
    assert made.keys() == set(Kind)
    assert [call[:2] for call in made["message"].calls] == [("insert", {"k": b"1"})]
    assert [call[:2] for call in made["room"].calls] == [("insert", {"k": b"2"})]


def test_every_key_has_an_answer_of_its_own() -> None:
    exists = DocumentExistsException()
    bucket = Bucket(**{"message:b": exists})

    assert flight(bucket).fly([Put(M, "a", b"1"), Put(M, "b", b"1")], 2.0) == [7, exists]


def test_a_key_without_an_answer_and_a_call_that_fails_as_a_whole_land_as_faults() -> None:
    bucket = Bucket()
    bucket.default._answer = lambda *_: SimpleNamespace(results={}, exceptions={})  # type: ignore[method-assign]
    [landing] = flight(bucket).fly([Put(M, "a", b"1")], 2.0)
    assert isinstance(landing, RuntimeError)

    def fail(*_: object) -> None:
        raise RuntimeError("closed")

    bucket.default._answer = fail  # type: ignore[method-assign, assignment]
    assert [str(each) for each in flight(bucket).fly([Put(M, "a", b"1"), Put(M, "b", b"1")], 2.0)] == ["closed"] * 2


def test_the_multis_of_a_flight_are_under_way_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=10)  # each waits for the others
    bucket = Bucket()
    answer = bucket.default._answer

    def meet(*call: Any) -> Any:
        together.wait()
        return answer(*call)

    bucket.default._answer = meet  # type: ignore[method-assign, assignment]

    landings = flight(bucket).fly([Put(M, "a", b"1"), Read(M, "x"), Swap(R, "r", b"3", 5)], 2.0)
    assert not [each for each in landings if isinstance(each, Exception)]


@pytest.mark.parametrize("operations", [[], [Read(M, "x")]])
def test_a_flight_may_be_empty_or_of_one(operations: list[Read]) -> None:
    assert len(flight(Bucket()).fly(operations, 1.0)) == len(operations)
