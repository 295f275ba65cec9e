"""A name is taken as `room_id` and as `roomId`: the two spellings, and how a JSON Schema says that one will do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

JsonSchema = dict[str, Any]

_CAPITAL = re.compile(r"[A-Z]")


def other_spelling(name: str) -> str:
    """Return a snake_case name in camelCase and the reverse; a name of one word has no other."""
    if "_" in name.strip("_"):
        first, *rest = name.split("_")
        return first + "".join(word.capitalize() for word in rest)
    return _CAPITAL.sub(lambda capital: f"_{capital[0].lower()}", name)


def require_one_of(schema: JsonSchema, groups: Iterable[Sequence[str]]) -> JsonSchema:
    """Return an object's schema that wants one name of each group, besides what it requires already."""
    wanted = [{"anyOf": [{"required": [name]} for name in group]} for group in groups]
    if not wanted:
        return schema
    return {**schema, **(wanted[0] if len(wanted) == 1 else {"allOf": wanted})}


def in_both_spellings(schema: JsonSchema) -> JsonSchema:
    """Return an object's schema that takes each of its names in either spelling."""
    properties: dict[str, Any] = schema.get("properties", {})
    others = {name: other_spelling(name) for name in properties if other_spelling(name) != name}
    required = schema.get("required", [])
    plain = {name: value for name, value in schema.items() if name != "required"}
    both = {others[name]: properties[name] for name in others}
    if alone := [name for name in required if name not in others]:
        plain["required"] = alone
    groups = [(name, others[name]) for name in required if name in others]
    return require_one_of({**plain, "properties": {**properties, **both}}, groups)


def as_ecma(value: Any) -> Any:
    """Return a schema with patterns as ECMA 262 has them: Python's anchors mean the letters A and Z there."""
    if isinstance(value, dict):
        return {
            name: inner.replace(r"\A", "^").replace(r"\Z", "$")
            if name == "pattern" and isinstance(inner, str)
            else as_ecma(inner)
            for name, inner in value.items()
        }
    return [as_ecma(each) for each in value] if isinstance(value, list) else value
