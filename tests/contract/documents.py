"""What the contract's tests write and read."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

from hypothesis import HealthCheck, settings

from chat.store.base import Kind, Store

ROOM, MESSAGE = Kind.ROOM, Kind.MESSAGE
many_times = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
fresh = count()  # hypothesis runs many examples on one store: each has keys of its own


def body(**fields: object) -> bytes:
    """Return a document with these fields."""
    return json.dumps(fields).encode()


def fields(store: Store, kind: Kind, key: str) -> Any:
    """Return the fields of a document that is there."""
    document = store.get(kind, key)
    assert document is not None
    return json.loads(document.body)
