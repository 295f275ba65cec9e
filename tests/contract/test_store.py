"""What every document store does: the guarantees of `chat.store.base`, one adapter after the other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chat.errors import CasMismatch, DocumentExists, DocumentMissing, DocumentRefused, StoreUnavailable
from chat.store.base import (
    BODY_LIMIT_BYTES,
    KEY_LIMIT_BYTES,
    Exists,
    Insert,
    Kind,
    Missing,
    Outcome,
    Raise,
    Refused,
    SetPaths,
    Store,
    Unavailable,
    Write,
    Written,
)
from tests.support.wait import eventually

from .conftest import ADAPTERS, Adapter

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60
PROCESSES = 8

ROOM, MESSAGE = Kind.ROOM, Kind.MESSAGE

KEYS = [
    "room456",
    "a.b-c_d.",
    "room1~000000000042",
    'it\'s "quoted" `so` [0] $.x #',
    "über/ключ/😀",
    "percent%20 _like%",
    " spaces ",
    "k" * KEY_LIMIT_BYTES,
]
BODIES = [
    b"{}",
    b'{ "spaces" : [ 1 , 2 ] }\n',
    '{"text":"grüße 😀 \u2028"}'.encode(),
    b'{"text":"\\u0000 \\"quoted\\" \\ud83d\\ude00"}',
    b'{"big":123456789012345678901234567890,"small":1e-300,"minus":-0.0}',
    b'{"twice":1,"twice":2}',
    json.dumps({"text": "x" * 100_000}).encode(),
]
BAD_BODIES = [
    b"",
    b"null",
    b"[]",
    b'"text"',
    b'{"a":1',
    b'{"a":1} {"b":2}',
    b'{"a":NaN}',
    b'{"a":"\xff"}',
    b'{"a":"\\ud800"}',
    b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
]
BAD_KEYS = ["", "nul\x00byte", "k" * (KEY_LIMIT_BYTES + 1), "ü" * KEY_LIMIT_BYTES, "\ud800"]

many_times = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
fresh = count()  # hypothesis runs many examples on one store: each has keys of its own


def body(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def fields(store: Store, kind: Kind, key: str) -> Any:
    document = store.get(kind, key)
    assert document is not None
    return json.loads(document.body)


def test_a_cluster_with_collections_and_durability_is_among_them_when_one_is_named() -> None:
    if not os.environ.get("COUCHBASE_TEST_URL"):
        pytest.skip("COUCHBASE_TEST_URL names no cluster, so collections and synchronous durability were not tried")
    assert "cluster" in ADAPTERS


def answers(store: Store) -> bool:
    try:
        store.ping()
    except StoreUnavailable:
        return False
    return True


# Reading and inserting


@pytest.mark.parametrize("key", KEYS)
def test_same_document_is_read_when_its_key_is_unusual(store: Store, key: str) -> None:
    cas = store.insert(ROOM, key, b'{"a":1}')
    document = store.get(ROOM, key)
    assert document is not None
    assert (document.kind, document.key, document.body, document.cas) == (ROOM, key, b'{"a":1}', cas)
    assert store.get_many(ROOM, [key]) == {key: document}


@pytest.mark.parametrize("key", KEYS)
def test_every_change_reaches_the_document_when_its_key_is_unusual(store: Store, key: str) -> None:
    cas = store.insert(ROOM, key, b'{"a":1}')
    store.insert(ROOM, "other", b'{"a":1}')
    store.replace(ROOM, key, b'{"a":2}', cas)
    store.update_paths(ROOM, key, sets={("b",): 3})
    store.write_many([Raise(ROOM, key, "a", 4)])
    assert fields(store, ROOM, key) == {"a": 4, "b": 3}
    assert store.delete(ROOM, key)
    assert store.get(ROOM, key) is None
    assert fields(store, ROOM, "other") == {"a": 1}


@pytest.mark.parametrize("content", BODIES, ids=range(len(BODIES)))
def test_same_bytes_are_read_when_a_body_is_unusual(adapter: Adapter, store: Store, content: bytes) -> None:
    cas = store.insert(ROOM, "inserted", content)
    store.insert(ROOM, "replaced", b"{}")
    store.write_many([Insert(ROOM, "batched", content)])
    store.replace(ROOM, "inserted", content, cas)
    with closing(adapter.open()) as other:
        found = other.get_many(ROOM, ["inserted", "batched"])
    assert {key: document.body for key, document in found.items()} == {
        "inserted": content,
        "batched": content,
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
json_objects = st.dictionaries(st.text(), json_values, max_size=4)


@many_times
@given(content=json_objects, part=json_values)
def test_values_are_kept_when_a_part_beside_them_changes(
    store: Store, content: dict[str, object], part: object
) -> None:
    key = f"any-{next(fresh)}"
    store.insert(ROOM, key, json.dumps(content, ensure_ascii=False).encode())
    store.update_paths(ROOM, key, sets={("the part",): part})
    assert fields(store, ROOM, key) == content | {"the part": part}


def test_nothing_is_read_when_there_is_no_document(store: Store) -> None:
    store.insert(ROOM, "Room", b"{}")
    assert store.get(ROOM, "room") is None
    assert store.get(MESSAGE, "Room") is None
    assert store.get_many(ROOM, ["room", "Room "]) == {}
    assert store.get_many(ROOM, []) == {}


def test_documents_do_not_meet_when_only_their_kinds_differ(store: Store) -> None:
    for kind in Kind:
        store.insert(kind, "same", body(kind=kind))
    assert [fields(store, kind, "same") for kind in Kind] == [{"kind": kind} for kind in Kind]


def test_all_documents_are_read_in_one_round_trip_when_there_are_thousands(store: Store) -> None:
    store.write_many([Insert(MESSAGE, f"m{n}", body(n=n)) for n in range(2500) if n % 7])
    before = store.round_trips
    found = store.get_many(MESSAGE, [*(f"m{n}" for n in range(2500)), "m1", "m2"])
    assert store.round_trips == before + 1
    assert {key: json.loads(document.body)["n"] for key, document in found.items()} == {
        f"m{n}": n for n in range(2500) if n % 7
    }


def test_insert_is_turned_away_when_the_document_exists(store: Store) -> None:
    cas = store.insert(ROOM, "r", b'{"a":1}')
    with pytest.raises(DocumentExists):
        store.insert(ROOM, "r", b'{"a":1}')
    document = store.get(ROOM, "r")
    assert document is not None
    assert (document.body, document.cas) == (b'{"a":1}', cas)


@pytest.mark.parametrize("content", BAD_BODIES, ids=range(len(BAD_BODIES)))
def test_body_is_refused_when_it_is_no_json_object(store: Store, content: bytes) -> None:
    cas = store.insert(ROOM, "r", b'{"a":1}')
    with pytest.raises(DocumentRefused):
        store.insert(ROOM, "new", content)
    with pytest.raises(DocumentRefused):
        store.replace(ROOM, "r", content, cas)
    first, second, third = store.write_many(
        [Insert(ROOM, "before", b"{}"), Insert(ROOM, "bad", content), Insert(ROOM, "after", b"{}")]
    )
    assert isinstance(second, Refused)
    assert isinstance(first, Written)
    assert isinstance(third, Written)
    assert set(store.get_many(ROOM, ["r", "new", "before", "bad", "after"])) == {"r", "before", "after"}
    assert fields(store, ROOM, "r") == {"a": 1}


def test_document_is_refused_when_it_is_larger_than_any_store_takes(store: Store) -> None:
    store.insert(ROOM, "r", b"{}")
    too_much = "x" * BODY_LIMIT_BYTES
    with pytest.raises(DocumentRefused):
        store.insert(ROOM, "new", body(a=too_much))
    with pytest.raises(DocumentRefused):
        store.update_paths(ROOM, "r", sets={("a",): too_much})
    assert fields(store, ROOM, "r") == {}


@pytest.mark.parametrize("key", BAD_KEYS, ids=range(len(BAD_KEYS)))
def test_key_is_refused_when_no_store_can_have_it(store: Store, key: str) -> None:
    assert [
        type(outcome) for outcome in store.write_many([Insert(ROOM, key, b"{}"), Raise(ROOM, key, "a", 1)])
    ] == [Refused, Refused]
    with pytest.raises(DocumentRefused):
        store.insert(ROOM, key, b"{}")
    with pytest.raises(DocumentMissing):
        store.update_paths(ROOM, key, sets={("a",): 1})
    assert store.get(ROOM, key) is None
    assert store.get_many(ROOM, [key]) == {}
    assert not store.delete(ROOM, key)


# Batches


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


# Compare and set


def test_replace_goes_through_when_nothing_changed_in_between(store: Store) -> None:
    cas = store.insert(ROOM, "r", b'{"a":1}')
    newer = store.replace(ROOM, "r", b'{"a":2}', cas)
    assert newer != cas
    store.replace(ROOM, "r", b'{"a":3}', newer)
    assert fields(store, ROOM, "r") == {"a": 3}


@pytest.mark.parametrize(
    "change",
    [
        lambda store, cas: store.replace(ROOM, "r", b'{"a":1}', cas),
        lambda store, _: store.update_paths(ROOM, "r", sets={("b",): 1}),
        lambda store, _: store.write_many([Raise(ROOM, "r", "b", 1)]),
        lambda store, _: (store.delete(ROOM, "r"), store.insert(ROOM, "r", b'{"a":1}')),
    ],
    ids=["replaced", "updated", "raised", "inserted anew"],
)
def test_replace_is_turned_away_when_the_document_was_changed(
    store: Store, change: Callable[[Store, int], object]
) -> None:
    cas = store.insert(ROOM, "r", b'{"a":1}')
    change(store, cas)
    after = fields(store, ROOM, "r")
    with pytest.raises(CasMismatch):
        store.replace(ROOM, "r", b'{"a":"lost update"}', cas)
    assert fields(store, ROOM, "r") == after


def test_change_is_turned_away_when_the_document_is_missing(store: Store) -> None:
    cas = store.insert(ROOM, "r", b"{}")
    store.delete(ROOM, "r")
    with pytest.raises(DocumentMissing):
        store.replace(ROOM, "r", b"{}", cas)
    with pytest.raises(DocumentMissing):
        store.update_paths(ROOM, "r", sets={("a",): 1})
    assert store.get(ROOM, "r") is None


def test_delete_says_whether_there_was_a_document_when_it_is_called(store: Store) -> None:
    store.insert(ROOM, "r", b"{}")
    assert store.delete(ROOM, "r") is True
    assert store.delete(ROOM, "r") is False
    assert store.insert(ROOM, "r", b"{}")


# Paths


def test_parents_are_made_when_a_path_is_new(store: Store) -> None:
    store.insert(ROOM, "r", b'{"keep":{"x":1}}')
    store.update_paths(ROOM, "r", sets={("m", "alice.b", "role"): "owner", ("keep", "y"): [1, {"z": None}]})
    assert fields(store, ROOM, "r") == {
        "keep": {"x": 1, "y": [1, {"z": None}]},
        "m": {"alice.b": {"role": "owner"}},
    }


PART_NAMES = ["a", "a.b", "", "0", "[0]", "$", '"', "'", "\\", "`", "a`b", "ключ", "😀", " ", "#-1", "\n"]


@pytest.mark.parametrize("name", PART_NAMES)
def test_only_that_part_changes_when_its_name_is_unusual(store: Store, name: str) -> None:
    others = {other: {"kept": other} for other in PART_NAMES if other != name}
    store.insert(ROOM, "r", body(m=others))
    store.update_paths(ROOM, "r", sets={("m", name): {name: 1}})
    assert fields(store, ROOM, "r") == {"m": others | {name: {name: 1}}}
    store.update_paths(ROOM, "r", sets={("m", name, name): 2})
    assert fields(store, ROOM, "r") == {"m": others | {name: {name: 2}}}
    store.update_paths(ROOM, "r", removes=[("m", name)])
    assert fields(store, ROOM, "r") == {"m": others}


def test_nothing_changes_when_what_is_removed_is_not_there(store: Store) -> None:
    store.insert(ROOM, "r", b'{"a":{"b":1},"text":"x","list":[1]}')
    store.update_paths(ROOM, "r", removes=[("c",), ("a", "c"), ("x", "y"), ("text", "y"), ("list", "0")])
    assert fields(store, ROOM, "r") == {"a": {"b": 1}, "text": "x", "list": [1]}


def test_removes_come_before_sets_when_both_are_asked(store: Store) -> None:
    store.insert(ROOM, "r", b'{"m":{"old":1}}')
    store.update_paths(ROOM, "r", sets={("m", "new"): 2}, removes=[("m",)])
    assert fields(store, ROOM, "r") == {"m": {"new": 2}}


@pytest.mark.parametrize(
    "sets",
    [
        {("new",): 1, ("text", "x"): 1},
        {("new",): 1, ("list", "0"): 1},
        {("new",): 1, ("none", "x", "y"): 1},
        {("new",): 1, (): {}},
        {("new",): object()},
        {("new",): "\ud800"},
    ],
    ids=["through text", "through a list", "through null", "no path", "no json", "no utf-8"],
)
def test_nothing_is_written_when_a_path_or_value_is_impossible(
    store: Store, sets: dict[tuple[str, ...], object]
) -> None:
    cas = store.insert(ROOM, "r", b'{"text":"t","list":[0],"none":null}')
    with pytest.raises(DocumentRefused):
        store.update_paths(ROOM, "r", sets=sets)
    document = store.get(ROOM, "r")
    assert document is not None
    assert (document.body, document.cas) == (b'{"text":"t","list":[0],"none":null}', cas)


def test_cas_is_the_one_that_is_read_when_paths_were_updated(store: Store) -> None:
    store.insert(ROOM, "r", b"{}")
    cas = store.update_paths(ROOM, "r", sets={("a",): 1})
    store.replace(ROOM, "r", b'{"a":2}', cas)
    assert fields(store, ROOM, "r") == {"a": 2}


# Many at once

ADD_PARTS = """
for n in range(20):
    store.update_paths(Kind.MEMBERS, "one", sets={("m", f"{me}.{n}"): n}, removes=[("old", f"{me}.{n}")])
"""
COUNT_UP = """
done = 0
while done < 20:
    document = store.get(Kind.ROOM, "one")
    try:
        store.replace(Kind.ROOM, "one", b'{"n":%d}' % (json.loads(document.body)["n"] + 1), document.cas)
        done += 1
    except CasMismatch:
        pass
"""
RAISE_UP = """
for n in range(20):
    store.write_many([Raise(Kind.ROOM, "one", "n", n * 8 + int(me))])
"""
INSERT_SAME = """
for n in range(40):
    [outcome] = store.write_many([Insert(Kind.MESSAGE, f"m{n}", json.dumps({"by": me}).encode())])
    result.append(type(outcome).__name__)
"""


def test_no_part_is_lost_when_processes_update_one_document(adapter: Adapter, store: Store) -> None:
    parts = {f"{me}.{n}": n for me in range(PROCESSES) for n in range(20)}
    store.insert(Kind.MEMBERS, "one", body(old=parts, kept=1))
    in_processes(adapter, ADD_PARTS)
    assert fields(store, Kind.MEMBERS, "one") == {"old": {}, "kept": 1, "m": parts}


def test_no_part_is_lost_when_threads_update_one_document(store: Store) -> None:
    store.insert(ROOM, "one", b"{}")
    before = store.round_trips

    def add(n: int) -> None:
        store.update_paths(ROOM, "one", sets={("m", f"{n}"): n})

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add, range(200)))
    assert fields(store, ROOM, "one") == {"m": {f"{n}": n for n in range(200)}}
    assert store.round_trips == before + 201


def test_counter_is_exact_when_processes_compare_and_set(adapter: Adapter, store: Store) -> None:
    store.insert(ROOM, "one", b'{"n":0}')
    in_processes(adapter, COUNT_UP)
    assert fields(store, ROOM, "one") == {"n": PROCESSES * 20}


def test_field_ends_at_the_highest_when_processes_raise_it(adapter: Adapter, store: Store) -> None:
    store.insert(ROOM, "one", b'{"n":0}')
    in_processes(adapter, RAISE_UP)
    assert fields(store, ROOM, "one") == {"n": 19 * 8 + PROCESSES - 1}


def test_one_insert_wins_when_processes_write_the_same_key(adapter: Adapter, store: Store) -> None:
    results = in_processes(adapter, INSERT_SAME)
    for n, outcomes in enumerate(zip(*results, strict=True)):
        assert sorted(outcomes) == ["Exists"] * (PROCESSES - 1) + ["Written"]
        assert fields(store, MESSAGE, f"m{n}") == {"by": str(outcomes.index("Written"))}


# Outages and deaths


def test_every_write_says_unavailable_when_the_store_is_out(adapter: Adapter, store: Store) -> None:
    cas = store.insert(ROOM, "r", b'{"a":1}')
    store.insert(ROOM, "raised", b'{"a":1}')
    batch: list[Write] = [
        Insert(MESSAGE, "m", b"{}"),
        Raise(ROOM, "raised", "a", 9),
        Insert(ROOM, "bad", b"[]"),
    ]
    changes: dict[str, Callable[[Store], object]] = {
        "insert": lambda store: store.insert(ROOM, "new", b"{}"),
        "replace": lambda store: store.replace(ROOM, "r", b"{}", cas),
        "update_paths": lambda store: store.update_paths(ROOM, "r", sets={("a",): 2}),
        "delete": lambda store: store.delete(ROOM, "r"),
    }
    with closing(adapter.open_hasty()) as hasty:
        eventually(lambda: answers(hasty))  # its hurry is meant for the outage, not for connecting
        with adapter.outage():
            assert [type(outcome) for outcome in hasty.write_many(batch)] == [Unavailable] * 3
            for name, change in changes.items():
                with pytest.raises(StoreUnavailable, match=name) as caught:
                    change(hasty)
                assert caught.value.__cause__ is not None
        assert store.get(MESSAGE, "m") is None
        assert store.get(ROOM, "new") is None
        assert fields(store, ROOM, "r") == fields(store, ROOM, "raised") == {"a": 1}
        assert [type(outcome) for outcome in hasty.write_many(batch)] == [Written, Written, Refused]
        for change in changes.values():
            assert change(hasty)


def test_documents_are_there_when_the_writer_is_killed_after_the_call(adapter: Adapter, store: Store) -> None:
    for n in range(3):
        program = f"""
store.write_many([Insert(Kind.MESSAGE, f"m{n}.{{k}}", b"{{}}") for k in range(100)])
os.kill(os.getpid(), signal.SIGKILL)
"""
        [child] = start(adapter, program, processes=1)
        child.communicate("go\n", timeout=DEADLINE_S)
        assert child.returncode == -signal.SIGKILL
        assert len(store.get_many(MESSAGE, [f"m{n}.{k}" for k in range(100)])) == 100


WRITE_ON_AND_ON = """
for n in range(10**9):
    store.write_many([Insert(Kind.MESSAGE, f"m{n}.{k}", b"{}") for k in range(20)])
    print(n, flush=True)
"""


def test_every_batch_told_is_there_when_the_writer_is_killed_in_mid_work(adapter: Adapter, store: Store) -> None:
    [child] = start(adapter, WRITE_ON_AND_ON, processes=1)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("go\n")
    child.stdin.flush()
    told = [int(child.stdout.readline()) for _ in range(20)]
    child.kill()
    told += [int(line) for line in child.communicate(timeout=DEADLINE_S)[0].splitlines()]
    keys = [f"m{n}.{k}" for n in told for k in range(20)]
    assert set(store.get_many(MESSAGE, keys)) == set(keys)
    assert [type(outcome) for outcome in store.write_many([Insert(MESSAGE, "next", b"{}")])] == [Written]


def test_calls_are_an_outage_when_the_store_is_closed(adapter: Adapter) -> None:
    store = adapter.open()
    store.insert(ROOM, "r", b"{}")
    store.close()
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.get(ROOM, "r")
    with pytest.raises(StoreUnavailable, match="closed"):
        store.ping()
    assert [type(outcome) for outcome in store.write_many([Insert(ROOM, "s", b"{}")])] == [Unavailable]


# Other processes

PROGRAM = """
import json, os, signal, sys
from chat.errors import CasMismatch, StoreUnavailable
from chat.store.base import Insert, Kind, Raise
from chat.store.url import open_store
url, me = sys.argv[1:]
store = open_store(url)
for tries_left in reversed(range(10)):  # eight processes that connect at once are slow on a busy machine
    try:
        store.ping()
        break
    except StoreUnavailable:
        if not tries_left:
            raise
result = []
print("ready", flush=True)
sys.stdin.readline()
"""


def start(adapter: Adapter, program: str, processes: int = PROCESSES) -> list[subprocess.Popen[str]]:
    """Start processes that have the store open and wait for a line before they run the program."""
    command = [sys.executable, "-c", f"{PROGRAM}{program}\nprint(json.dumps(result))", adapter.url]
    children = [
        subprocess.Popen(
            [*command, str(me)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        for me in range(processes)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    return children


def in_processes(adapter: Adapter, program: str) -> list[Sequence[str]]:
    """Run the program in several processes at once and return their results in order."""
    children = start(adapter, program)
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    results = [json.loads(child.communicate(timeout=DEADLINE_S)[0]) for child in children]
    assert {child.returncode for child in children} == {0}
    return results
