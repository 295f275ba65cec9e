"""What can still be told of a frame that is JSON by its grammar and yet holds what can't be passed on.

Half of a surrogate pair is what a browser sends of text that was cut within an emoji; a number like 1e999 is beyond
every float. Whoever sent it is answered under its `ack`, and hears which member to mend.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any, NamedTuple, Never

NAME_LIMIT = 64  # characters of a member's name that is told
SIZE_LIMIT_BYTES = 20 * 1024  # the longest text fits; more to read again would make a flood of such frames dear
MEMBERS_LIMIT = 32  # of the data that are looked at one by one; no event has so many
HALF_A_PAIR = "holds half of a surrogate pair; send whole characters"
OUT_OF_RANGE = "holds a number that is out of range; send a smaller one"


class Salvaged(NamedTuple):
    """`event` and `ack` as they were, None where they can't be told; `fault` is what is wrong with `field`."""

    event: Any
    ack: Any
    field: str
    fault: str


def salvage(payload: bytes) -> Salvaged | None:
    """Return what can be told of a frame that was refused as a whole; None when it is no JSON object."""
    if len(payload) > SIZE_LIMIT_BYTES:
        return None
    try:
        found = json.loads(payload.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    fault = _fault_of(found)
    if fault is None or not isinstance(found, dict):
        return None
    event, ack = (None if _fault_of(value) else value for value in (found.get("event"), found.get("ack")))
    return Salvaged(event, ack, _faulty_member(found), fault)


def _faulty_member(found: Mapping[str, Any]) -> str:
    """Return the first name, as the client used it, whose value is at fault; names may be at fault themselves."""
    data = found.get("data")
    inner: Mapping[str, Any] = data if isinstance(data, dict) else {}
    members = (("event", found.get("event")), ("ack", found.get("ack")), *islice(inner.items(), MEMBERS_LIMIT))
    for name, value in members:
        if _fault_of(value) and len(name) <= NAME_LIMIT and not _fault_of(name):
            return name
    return "data" if _fault_of(data) else "frame"


def _fault_of(value: Any) -> str | None:
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        return HALF_A_PAIR
    except (ValueError, RecursionError):
        return OUT_OF_RANGE
    return None


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is no JSON")
