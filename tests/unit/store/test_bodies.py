"""What a raise and a path make of a body; the contract's tests show the same through every adapter."""

from __future__ import annotations

import pytest

from chat.store.base import BODY_LIMIT_BYTES, Kind, Raise, SetPaths
from chat.store.bodies import Unfit, changed, raised, with_paths


def test_a_field_is_raised_and_never_lowered() -> None:
    assert raised(b'{"a":1,"n":3}', "n", 4) == b'{"a":1,"n":4}'
    assert raised(b'{"a":1}', "n", -1) == b'{"a":1,"n":-1}'
    assert raised(b'{ "n": 4 }', "n", 4) is None


@pytest.mark.parametrize("held", ["null", "true", '"4"', "4.0", "[4]"])
def test_a_field_that_is_no_integer_is_left_alone(held: str) -> None:
    with pytest.raises(Unfit, match="n is not an integer"):
        raised(f'{{"n":{held}}}'.encode(), "n", 9)


def test_paths_are_removed_before_others_are_set() -> None:
    body = with_paths(b'{"m":{"a":1,"b":2}}', {("m", "c"): 3, ("x", "y"): None}, [("m", "a"), ("no", "such")])

    assert body == b'{"m":{"b":2,"c":3},"x":{"y":null}}'


@pytest.mark.parametrize(
    "sets", [{(): 1}, {("m", "a", "b"): 1}, {("x",): object()}, {("x",): "x" * BODY_LIMIT_BYTES}]
)
def test_an_impossible_change_says_why(sets: dict[tuple[str, ...], object]) -> None:
    with pytest.raises(Unfit, match=r"."):
        with_paths(b'{"m":{"a":1}}', sets, [])


def test_a_write_changes_only_what_is_not_so_already() -> None:
    body = b'{ "m": {"a":1} }'
    assert changed(body, Raise(Kind.ROOM, "r", "n", 2)) == b'{"m":{"a":1},"n":2}'
    assert changed(body, SetPaths(Kind.ROOM, "r", {("m", "a"): 1})) is None
    assert changed(body, SetPaths(Kind.ROOM, "r", {("m", "a"): 1, ("m", "b"): 2})) == b'{"m":{"a":1,"b":2}}'
    assert changed(body, SetPaths(Kind.ROOM, "r", {("x", "y"): None})) == b'{"m":{"a":1},"x":{"y":null}}'
    with pytest.raises(Unfit):
        changed(body, SetPaths(Kind.ROOM, "r", {("m", "a", "b"): 1}))
