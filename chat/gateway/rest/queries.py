"""The query of a REST address, read into the record that also describes it."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import msgspec
from flask import request
from msgspec.inspect import IntType, ListType, StructType, UnionType, type_info

from chat.errors import InvalidRequest
from chat.protocol.fields import ID_MEND
from chat.protocol.spelling import other_spelling

T = TypeVar("T")
DIGITS_LIMIT = 16  # of a number: 2**53 has so many


def read_query(kind: type[T]) -> T:
    """Return the query of the request; names may be in either spelling, lists are split at commas.

    Raises: InvalidRequest, which names the field as the client wrote it, and the mend.
    """
    record: Any = kind
    names, types = names_of(record), _types(record)
    written = {names[name]: name for name in reversed(list(request.args)) if name in names}
    given: dict[str, Any] = {}
    for declared, name in written.items():
        if (value := _value(types[declared], request.args[name])) is not None:
            given[declared] = value
    for declared, value in given.items():
        if isinstance(types[declared], IntType) and not _is_number(value):
            raise InvalidRequest(_mend(written[declared], types[declared], ""), field=written[declared])
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as exc:
        raise _explained(str(exc), written, types) from None


@cache
def names_of(kind: Any) -> dict[str, str]:
    """Return the declared name by every spelling in which a record's members are taken."""
    declared = kind.__struct_encode_fields__
    return {other_spelling(name): name for name in declared} | {name: name for name in declared}


@cache
def _types(kind: Any) -> dict[str, Any]:
    found = type_info(kind)
    assert isinstance(found, StructType)
    return {each.encode_name: _inner(each.type) for each in found.fields}


def _inner(found: Any) -> Any:
    return found.types[0] if isinstance(found, UnionType) else found


def _value(kind: Any, text: str) -> Any:
    """Return what a parameter says; an empty text says nothing, an empty list is one."""
    if isinstance(kind, ListType):
        return [each for each in text.split(",") if each]
    return text if text or isinstance(kind, IntType) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= DIGITS_LIMIT


def _explained(text: str, written: dict[str, str], types: dict[str, Any]) -> InvalidRequest:
    if "missing required field `" in text:
        name = text.split("`")[1]
        example = "a,b" if isinstance(types[name], ListType) else "…"
        return InvalidRequest(f"{name} is missing; add ?{name}={example} to the address", field=name)
    declared = text.rpartition("`$.")[2].rstrip("`").split("[")[0]
    name = written[declared]
    return InvalidRequest(_mend(name, types[declared], text), field=name)


def _mend(name: str, kind: Any, text: str) -> str:
    if isinstance(kind, IntType):
        return f"{name} must be a number from {kind.ge} to {kind.le}"
    if isinstance(kind, ListType):
        if "regex" in text:
            return f"each of {name} {ID_MEND}"
        return f"{name}: at most {kind.max_length} at a time; ask again for the rest"
    return f"{name} {ID_MEND}" if "regex" in text else f"{name}: {text.split(' - at ')[0]}"
