"""Which changes go by path, and how they are written."""

from __future__ import annotations

from typing import Any

import pytest

from chat.store.couchbase.paths import CHANGES_LIMIT, DEPTH_LIMIT, as_changes


def paths(specs: list[Any] | None) -> list[str] | None:
    return None if specs is None else [spec[1] for spec in specs]


def test_names_are_quoted_and_removes_come_first() -> None:
    specs = as_changes({("members", "ann.b"): {"role": "owner"}}, [("old", "0")])

    assert paths(specs) == ["`old`.`0`", "`members`.`ann.b`"]


@pytest.mark.parametrize("name", ["", "a`b", '"', "\\", "\n", "ü", "😀", " ", "[0]", "$"])
def test_the_whole_document_is_needed_when_a_name_may_be_written_in_two_ways(name: str) -> None:
    assert as_changes({("m", name): 1}, []) is None
    assert as_changes({}, [(name,)]) is None


@pytest.mark.parametrize(
    ("sets", "removes"),
    [
        ({}, []),
        ({(): 1}, []),
        ({(f"n{n}",): n for n in range(CHANGES_LIMIT)}, [("one more",)]),
        ({("n",) * (DEPTH_LIMIT + 1): 1}, []),
        ({("x" * 600, "y" * 600): 1}, []),
        ({("a",): "x" * 100_000}, []),
        ({("a",): object()}, []),
        ({("a",): "\ud800"}, []),
    ],
    ids=["nothing", "no path", "too many", "too deep", "too long", "large", "no json", "no utf-8"],
)
def test_the_whole_document_is_needed_where_the_server_has_limits(sets: Any, removes: Any) -> None:
    assert as_changes(sets, removes) is None


def test_a_deep_value_goes_with_the_whole_document() -> None:
    value: object = 1
    for _ in range(DEPTH_LIMIT):
        value = [value]
    assert as_changes({("a",): value}, []) is None
    assert paths(as_changes({("a",): [[{"b": None}]]}, [])) == ["`a`"]
