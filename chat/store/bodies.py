"""What a change makes of a document's body, the same for every adapter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from chat.store.base import BODY_LIMIT_BYTES, JsonPath, Raise, SetPaths


class Unfit(ValueError):
    """A body that can't be changed so; the text says why."""


def changed(body: bytes, write: Raise | SetPaths) -> bytes | None:
    """Return the body that a write leaves behind, or None when it says all of it already.

    Raises: Unfit.
    """
    if isinstance(write, Raise):
        return raised(body, write.field, write.value)
    if not any(_lacks(_fields_of(body), path, value) for path, value in write.sets.items()):
        return None
    return with_paths(body, write.sets, [])


def raised(body: bytes, field: str, value: int) -> bytes | None:
    """Return the body with the field at `value`, or None when it is as high already.

    Raises: Unfit.
    """
    fields = _fields_of(body)
    held = fields.get(field)
    if type(held) is not int and field in fields:
        raise Unfit(f"{field} is not an integer")
    if held is not None and held >= value:
        return None
    fields[field] = value
    return msgspec.json.encode(fields)


def with_paths(body: bytes, sets: Mapping[JsonPath, object], removes: Iterable[JsonPath]) -> bytes:
    """Return the body without the paths of `removes` and with those of `sets`.

    Raises: Unfit.
    """
    fields = _fields_of(body)
    try:
        for path in removes:
            _remove_path(fields, path)
        for path, value in sets.items():
            _set_path(fields, path, value)
        changed = msgspec.json.encode(fields)
    except (TypeError, ValueError, RecursionError) as exc:
        raise Unfit(str(exc)) from exc
    if len(changed) > BODY_LIMIT_BYTES:
        raise Unfit(f"the body would have {len(changed)} bytes")
    return changed


def _fields_of(body: bytes) -> dict[str, Any]:
    return msgspec.json.decode(body, type=dict[str, Any])


def _lacks(fields: dict[str, Any], path: JsonPath, value: object) -> bool:
    *parents, name = path or ("",)
    inner: Any = fields
    for parent in parents:
        inner = inner.get(parent) if isinstance(inner, dict) else None
    return not isinstance(inner, dict) or name not in inner or inner[name] != value


def _set_path(fields: dict[str, Any], path: JsonPath, value: object) -> None:
    *parents, name = path
    for depth, parent in enumerate(parents, 1):
        fields = fields.setdefault(parent, {})
        if not isinstance(fields, dict):
            raise TypeError(f"{path[:depth]} is not an object")
    fields[name] = value


def _remove_path(fields: dict[str, Any], path: JsonPath) -> None:
    *parents, name = path
    inner: Any = fields
    for parent in parents:
        inner = inner.get(parent) if isinstance(inner, dict) else None
    if isinstance(inner, dict):
        inner.pop(name, None)
