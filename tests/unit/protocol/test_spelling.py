from __future__ import annotations

import jsonschema
import pytest

from chat.protocol.spelling import as_ecma, in_both_spellings, other_spelling, require_one_of


@pytest.mark.parametrize(
    ("name", "other"),
    [("room_id", "roomId"), ("roomId", "room_id"), ("userIds", "user_ids"), ("seq", "seq"), ("_temp", "_temp")],
)
def test_a_name_has_another_spelling_when_it_has_words(name: str, other: str) -> None:
    assert other_spelling(name) == other


@pytest.mark.parametrize(
    ("value", "is_valid"),
    [
        ({"user_id": "ann", "why": "x"}, True),
        ({"userId": "ann", "why": "x"}, True),
        ({"why": "x"}, False),
        ({"userId": 7, "why": "x"}, False),
        ({"userId": "ann"}, False),
        ({"userId": "ann", "why": "x", "other": 1}, False),
    ],
)
def test_either_spelling_will_do_when_a_name_is_required(value: object, is_valid: bool) -> None:
    schema = {
        "type": "object",
        "properties": {"user_id": {"type": "string"}, "why": {"type": "string"}},
        "required": ["user_id", "why"],
        "additionalProperties": False,
    }
    assert jsonschema.Draft202012Validator(in_both_spellings(schema)).is_valid(value) == is_valid


def test_one_of_each_group_is_wanted_when_there_are_several() -> None:
    validator = jsonschema.Draft202012Validator(require_one_of({}, [("a", "b"), ("c", "d")]))
    assert [validator.is_valid(dict.fromkeys(names)) for names in ("ac", "bd", "ab", "c")] == [
        True,
        True,
        False,
        False,
    ]
    assert require_one_of({"type": "object"}, []) == {"type": "object"}


def test_anchors_are_those_of_ecma_when_a_pattern_is_told() -> None:
    told = as_ecma({"properties": {"pattern": {"pattern": r"\Aa\Z"}}, "anyOf": [{"pattern": r"\S"}]})
    assert told == {"properties": {"pattern": {"pattern": "^a$"}}, "anyOf": [{"pattern": r"\S"}]}
