"""Operations that are under way together: one multi-operation for each sort of them, all waited for at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import groupby
from typing import Any, TypeAlias

from couchbase.options import GetMultiOptions, InsertMultiOptions, ReplaceMultiOptions
from couchbase.transcoder import RawJSONTranscoder

from chat.store.base import Document, Kind
from chat.store.couchbase.durability import Durability
from chat.store.couchbase.keyspace import Keyspace
from chat.store.couchbase.native import all_at_once

RAW = RawJSONTranscoder()  # bodies are bytes, as they were written


@dataclass(frozen=True, slots=True)
class Read:
    """Get a document; lands as Document."""

    kind: Kind
    key: str


@dataclass(frozen=True, slots=True)
class Put:
    """Insert a document; lands as its cas."""

    kind: Kind
    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Swap:
    """Replace a document whose cas is still that one; lands as the new cas."""

    kind: Kind
    key: str
    body: bytes
    cas: int


Operation: TypeAlias = Read | Put | Swap
Landing: TypeAlias = Document | int | Exception  # each operation's own, an exception where it failed


class Flight:
    """Sends operations to one keyspace with one durability."""

    def __init__(self, keyspace: Keyspace, durability: Durability) -> None:
        self._keyspace = keyspace
        self._durability = durability.option

    def fly(self, operations: Sequence[Operation], timeout_s: float) -> list[Landing]:
        """Do all operations at once and return where each landed; of one sort and kind, keys are unique."""
        groups = [list(group) for _, group in groupby(sorted(operations, key=_sort_of), key=_sort_of)]
        timeout = timedelta(seconds=timeout_s)
        landed = all_at_once([partial(self._send, group, timeout) for group in groups])
        results: dict[int, Landing] = {}
        for group, landings in zip(groups, landed, strict=True):
            results.update((id(each), landing) for each, landing in zip(group, landings, strict=True))
        return [results[id(each)] for each in operations]

    def _send(self, group: Sequence[Operation], timeout: timedelta) -> list[Landing]:
        names = [self._keyspace.name(each.kind, each.key) for each in group]
        try:
            collection = self._keyspace.collection(group[0].kind)
            answer = _SENDERS[type(group[0])](
                collection, dict(zip(names, group, strict=True)), timeout, self._durability
            )
        except Exception as exc:  # the call as a whole, such as on a closed cluster: each of them failed so
            return [exc] * len(group)
        results, faults = answer.results, answer.exceptions  # asked for once: the SDK builds each anew every time
        return [
            _landing(each, results.get(name), faults.get(name)) for each, name in zip(group, names, strict=True)
        ]


def _get(collection: Any, named: dict[str, Operation], timeout: timedelta, _: Any) -> Any:
    return collection.get_multi(list(named), GetMultiOptions(timeout=timeout, transcoder=RAW))


def _insert(collection: Any, named: dict[str, Operation], timeout: timedelta, durability: Any) -> Any:
    bodies = {name: each.body for name, each in named.items() if isinstance(each, Put)}
    options = {"timeout": timeout, "transcoder": RAW} | ({"durability": durability} if durability else {})
    return collection.insert_multi(bodies, InsertMultiOptions(**options))


def _replace(collection: Any, named: dict[str, Operation], timeout: timedelta, durability: Any) -> Any:
    swaps = {name: each for name, each in named.items() if isinstance(each, Swap)}
    options: dict[str, Any] = {"timeout": timeout, "transcoder": RAW}
    options |= {"durability": durability} if durability else {}
    options |= {"per_key_options": {name: {"cas": each.cas} for name, each in swaps.items()}}
    return collection.replace_multi(
        {name: each.body for name, each in swaps.items()}, ReplaceMultiOptions(**options)
    )


_SENDERS: dict[type[Operation], Callable[[Any, dict[str, Operation], timedelta, Any], Any]] = {
    Read: _get,
    Put: _insert,
    Swap: _replace,
}


def _sort_of(operation: Operation) -> tuple[str, str]:
    return type(operation).__name__, operation.kind


def _landing(operation: Operation, result: Any, fault: object) -> Landing:
    if result is None:
        return fault if isinstance(fault, Exception) else RuntimeError("the SDK gave no answer")
    if isinstance(operation, Read):
        return Document(operation.kind, operation.key, bytes(result.value), result.cas)
    return int(result.cas)
