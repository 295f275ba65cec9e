"""Changes of parts of a document as sub-document operations, where these can say what is asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import couchbase.subdocument as subdocument
import msgspec

from chat.store.base import JsonPath

CHANGES_LIMIT = 16  # the server's, for one call
DEPTH_LIMIT = 32  # the server's, for a path and for a value
PATH_LIMIT_BYTES = 1024  # the server's
VALUE_LIMIT_BYTES = 64 * 1024  # more goes with the whole document, whose size is then known
# Names that servers read alike, between backticks. Other characters may stand in the document in several ways.
PLAIN = re.compile(r"[A-Za-z0-9_.:@+-]+")


def as_changes(sets: Mapping[JsonPath, object], removes: Iterable[JsonPath]) -> list[Any] | None:
    """Return the SDK's specs for these changes, removes first, or None where the whole document is needed."""
    removed = list(removes)
    if not 0 < len(removed) + len(sets) <= CHANGES_LIMIT:
        return None
    paths = [_written(path) for path in (*removed, *sets)]
    values = [_read_back(value) for value in sets.values()]
    if None in paths or None in values:
        return None
    specs = [subdocument.remove(path) for path in paths[: len(removed)]]
    for path, value in zip(paths[len(removed) :], values, strict=True):
        specs.append(subdocument.upsert(path, value[0] if value else None, create_parents=True))
    return specs


def _written(path: JsonPath) -> str | None:
    if not 0 < len(path) <= DEPTH_LIMIT or not all(PLAIN.fullmatch(name) for name in path):
        return None
    written = ".".join(f"`{name}`" for name in path)
    return written if len(written) <= PATH_LIMIT_BYTES else None


def _read_back(value: object) -> tuple[object] | None:
    """Return the value as plain JSON has it, in a tuple; None when it is large, deep or no JSON at all."""
    try:
        encoded = msgspec.json.encode(value)
        if len(encoded) > VALUE_LIMIT_BYTES or _depth(read := msgspec.json.decode(encoded)) >= DEPTH_LIMIT:
            return None
    except (TypeError, ValueError, RecursionError):
        return None  # the whole document refuses it with the reason
    return (read,)


def _depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)
