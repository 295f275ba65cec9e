"""What every document store does with a batch of writes: outcomes in order, in one round trip."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from chat.store.base import Exists, Insert, Kind, Missing, Outcome, Raise, Refused, SetPaths, Store, Write, Written

from .documents import MESSAGE, ROOM, body, fields, fresh, many_times


def test_outcomes_come_in_order_when_a_batch_mixes_everything(store: Store) -> None:
    store.insert(ROOM, "there", b'{"last":5}')
    outcomes = store.write_many(
        [
            Insert(ROOM, "new", b'{"last":1}'),
            Insert(ROOM, "there", b'{"last":0}'),
            Raise(ROOM, "there", "last", 7),
            Raise(ROOM, "absent", "last", 7),
            Insert(ROOM, "bad", b"[]"),
            Insert(MESSAGE, "m", b"{}"),
            Raise(ROOM, "new", "last", 3),
            SetPaths(ROOM, "new", {("m", "a.b"): 1, ("m", "c"): 2}),
            SetPaths(ROOM, "absent", {("m",): 1}),
            SetPaths(ROOM, "new", {("last", "m"): 1}),
            SetPaths(ROOM, "new", {("m", "c"): 2}),
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [
        Written,
        Exists,
        Written,
        Missing,
        Refused,
        Written,
        Written,
        Written,
        Missing,
        Refused,
        Written,
    ]
    assert outcomes[-1] == outcomes[-4]  # it was so already
    assert outcomes[1] == Exists(b'{"last":5}')
    assert fields(store, ROOM, "there") == {"last": 7}
    assert fields(store, ROOM, "new") == {"last": 3, "m": {"a.b": 1, "c": 2}}
    assert store.get(ROOM, "absent") is None


def test_second_insert_sees_the_first_when_a_key_comes_twice_in_a_batch(store: Store) -> None:
    outcomes = store.write_many([Insert(ROOM, "r", b'{"n":1}'), Insert(ROOM, "r", b'{"n":2}')])
    assert [type(outcome) for outcome in outcomes] == [Written, Exists]
    assert outcomes[1] == Exists(b'{"n":1}')
    assert fields(store, ROOM, "r") == {"n": 1}


def test_outcome_is_written_with_the_cas_that_is_read_when_a_batch_is_through(store: Store) -> None:
    batch: list[Write] = [Insert(ROOM, f"r{n}", b"{}") for n in range(20)]
    batch += [Raise(ROOM, f"r{n}", "last", 1) for n in range(0, 20, 2)]
    last = dict(zip((write.key for write in batch), store.write_many(batch), strict=True))
    found = store.get_many(ROOM, last)
    assert last == {key: Written(document.cas) for key, document in found.items()}


def test_repeat_finds_its_own_bodies_when_a_batch_is_written_again(store: Store) -> None:
    batch = [Insert(MESSAGE, f"m{n}", body(n=n)) for n in range(500)]
    assert {type(outcome) for outcome in store.write_many(batch)} == {Written}
    assert store.write_many(batch) == [Exists(write.body) for write in batch]


def test_batch_is_one_round_trip_when_it_is_long(store: Store) -> None:
    before = store.round_trips
    store.write_many([Insert(MESSAGE, f"m{n}", b"{}") for n in range(300)])
    assert store.round_trips == before + 1
    assert store.write_many([]) == []


names = st.sampled_from(["a", "b", "c"])
inserts = st.builds(
    Insert,
    st.sampled_from([ROOM, MESSAGE]),
    names,
    st.sampled_from([b"{}", b'{"n":2}', b'{"n":"text"}', b'{"n":null}', b'{"n":true}', b"[]"]),
)
raises = st.builds(Raise, st.sampled_from([ROOM, MESSAGE]), names, st.just("n"), st.integers(0, 4))
settings_of_paths = st.builds(
    lambda kind, key, value: SetPaths(kind, key, {("p", "x"): value}),
    st.sampled_from([ROOM, MESSAGE]),
    names,
    st.integers(0, 2),
)


def expected(documents: dict[tuple[Kind, str], dict[str, Any]], write: Write) -> type[Outcome]:
    """Do one write on a plain dict: what the contract says of it."""
    at = (write.kind, write.key)
    if isinstance(write, Insert):
        if write.body == b"[]":
            return Refused
        return Exists if documents.setdefault(at, new := json.loads(write.body)) is not new else Written
    if at not in documents:
        return Missing
    if isinstance(write, SetPaths):
        documents[at]["p"] = {"x": write.sets["p", "x"]}
        return Written
    held = documents[at].get("n", -1)
    if not isinstance(held, int) or isinstance(held, bool):
        return Refused
    documents[at]["n"] = max(held, write.value)
    return Written


@many_times
@given(batches=st.lists(st.lists(inserts | raises | settings_of_paths, max_size=8), max_size=3))
@example(batches=[[Raise(ROOM, "a", "n", 1), Insert(ROOM, "a", b"{}"), Raise(ROOM, "a", "n", 2)]])
@example(batches=[[Insert(ROOM, "a", b"{}"), Raise(ROOM, "a", "n", 2), Insert(ROOM, "a", b"{}")]])
def test_batches_act_like_single_writes_in_order_when_keys_repeat(store: Store, batches: list[list[Write]]) -> None:
    run = next(fresh)
    documents: dict[tuple[Kind, str], dict[str, Any]] = {}
    for batch in batches:
        outcomes = store.write_many([own_key(write, run) for write in batch])
        assert [type(outcome) for outcome in outcomes] == [expected(documents, write) for write in batch]
    for kind in (ROOM, MESSAGE):
        found = store.get_many(kind, [f"{run}-{name}" for name in "abc"])
        assert {key[-1]: json.loads(document.body) for key, document in found.items()} == {
            key: content for (of, key), content in documents.items() if of == kind
        }


def own_key(write: Write, run: int) -> Write:
    if isinstance(write, Insert):
        return Insert(write.kind, f"{run}-{write.key}", write.body)
    if isinstance(write, SetPaths):
        return SetPaths(write.kind, f"{run}-{write.key}", write.sets)
    return Raise(write.kind, f"{run}-{write.key}", write.field, write.value)


def test_field_stays_when_it_is_at_least_as_high_already(store: Store) -> None:
    cas = store.insert(ROOM, "r", b'{ "last" : 9 }')
    assert store.write_many([Raise(ROOM, "r", "last", 9), Raise(ROOM, "r", "last", 3)]) == [Written(cas)] * 2
    document = store.get(ROOM, "r")
    assert document is not None
    assert document.body == b'{ "last" : 9 }'


def test_field_is_set_when_it_was_missing(store: Store) -> None:
    store.insert(ROOM, "r", b'{"name":"x"}')
    store.write_many([Raise(ROOM, "r", "last.seq", -5)])
    assert fields(store, ROOM, "r") == {"name": "x", "last.seq": -5}
