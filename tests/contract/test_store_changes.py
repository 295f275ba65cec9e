"""What every document store does with a change of a document: compare and set, and paths."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chat.errors import CasMismatch, DocumentMissing, DocumentRefused
from chat.store.base import Raise, Store

from .documents import ROOM, body, fields


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
