"""What every document store does with single documents: the guarantees of `chat.store.base`, adapter by adapter."""

from __future__ import annotations

import json
import os
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import DocumentExists, DocumentMissing, DocumentRefused
from chat.store.base import BODY_LIMIT_BYTES, KEY_LIMIT_BYTES, Insert, Kind, Raise, Refused, Store, Written

from .conftest import ADAPTERS, Adapter
from .documents import MESSAGE, ROOM, body, fields, fresh, many_times

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


def test_a_cluster_with_collections_and_durability_is_among_them_when_one_is_named() -> None:
    if not os.environ.get("COUCHBASE_TEST_URL"):
        pytest.skip("COUCHBASE_TEST_URL names no cluster, so collections and synchronous durability were not tried")
    assert "cluster" in ADAPTERS


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
