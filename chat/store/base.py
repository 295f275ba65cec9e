"""The port to the document store: what every adapter guarantees, so that domain code is written once.

- **Documents by key.** A document is a JSON object under a kind and a key. There is no query language:
  whoever needs a document knows its key.
- **Atomic per key.** Each write of one document happens whole or not at all, whoever else writes it at that
  time. Nothing is promised across keys: a batch may be written in part, and its outcomes tell which part.
- **Durable on return.** What a call reports as written survives the death of this process and of the store's
  (with SQLite a power cut too).
- **A cas names one state of one document.** It changes with every change, and does not come back when a
  document is deleted and inserted again.
- **Two kinds of fault.** A document that can never be stored is `DocumentRefused`; an outage is
  `StoreUnavailable`, and then the write may or may not have happened. `write_many` raises neither: it tells
  them for each write. An outage that lasts until an operator acts is `StoreMisconfigured`.
- **No call waits long.** Each returns or raises within five seconds: the settler takes a lost message for gone
  after eight, and nothing may be stored after that.
- **The same limits everywhere.** Every adapter refuses what `fault_of_document` finds, so that what is stored
  in SQLite today can be stored in Couchbase tomorrow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

import msgspec

from chat.errors import DocumentExists, DocumentRefused

KEY_LIMIT_BYTES = 230  # Couchbase: 250, with a kind as the prefix in it and room for kinds to come
BODY_LIMIT_BYTES = 20 * 1024 * 1024  # Couchbase's largest document

JsonPath: TypeAlias = tuple[str, ...]


class Kind(StrEnum):
    """What a document is; keys of different kinds do not meet."""

    MESSAGE = "message"
    ROOM = "room"
    MEMBERS = "members"
    USER_ROOMS = "user_rooms"
    EDITS = "edits"
    CURSOR = "cursor"
    REMOVED = "removed"
    USER = "user"
    THREAD = "thread"
    MENTIONS = "mentions"
    DEVICE = "device"
    USER_DEVICES = "user_devices"
    PUSH_CHOICES = "push_choices"


@dataclass(frozen=True, slots=True)
class Document:
    """One state of a document; `body` is a JSON object in UTF-8, byte for byte as it was written."""

    kind: Kind
    key: str
    body: bytes
    cas: int


@dataclass(frozen=True, slots=True)
class Insert:
    """Write a document where there is none yet."""

    kind: Kind
    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Raise:
    """Make a top-level integer field at least `value`; a missing field counts as lower."""

    kind: Kind
    key: str
    field: str
    value: int


@dataclass(frozen=True, slots=True)
class SetPaths:
    """Set parts of a document, as `Store.update_paths` does; one that has them already stays as it is."""

    kind: Kind
    key: str
    sets: Mapping[JsonPath, object]


@dataclass(frozen=True, slots=True)
class Written:
    """Done and durable (a `Raise` that found the field high enough already is done too)."""

    cas: int


@dataclass(frozen=True, slots=True)
class Exists:
    """An insert met a document; `body` is what is there, so the caller sees whether it is the same."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Missing:
    """A raise, or a setting of paths, found no document."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The store will never take this write."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The store can't take this write now; it may or may not have happened, and is safe to repeat.

    With `is_misconfigured` it will not before an operator mends something (StoreMisconfigured).
    """

    reason: str
    is_misconfigured: bool = False

    @property
    def to_mend(self) -> str:
        """What an operator has to mend; empty when time alone may do."""
        return self.reason if self.is_misconfigured else ""


Write: TypeAlias = Insert | Raise | SetPaths
Outcome: TypeAlias = Written | Exists | Missing | Refused | Unavailable


class Store(Protocol):
    """Documents by key; safe to call from several threads at once.

    Every method but `write_many` and `close` raises StoreUnavailable in an outage.
    """

    @property
    def round_trips(self) -> int:
        """How often somebody has waited for the store so far; a batch that is under way at once is one."""

    def ping(self) -> None:
        """Return when the store answers."""

    def get(self, kind: Kind, key: str) -> Document | None:
        """Read one document."""

    def get_many(self, kind: Kind, keys: Iterable[str]) -> dict[str, Document]:
        """Read several documents in one round trip; a key without a document is absent from the answer."""

    def insert(self, kind: Kind, key: str, body: bytes) -> int:
        """Write a new document and return its cas.

        Raises: DocumentExists, DocumentRefused.
        """

    def write_many(self, writes: Sequence[Write]) -> list[Outcome]:
        """Write a batch in one round trip and return one outcome per write, in their order.

        Writes of one key act in their order. Never raises: a refused write leaves its neighbours alone, and
        in an outage every outcome is `Unavailable`.
        """

    def replace(self, kind: Kind, key: str, body: bytes, cas: int) -> int:
        """Write a document anew if its cas is still `cas`, and return the new one.

        Raises: CasMismatch, DocumentMissing, DocumentRefused.
        """

    def update_paths(
        self,
        kind: Kind,
        key: str,
        *,
        sets: Mapping[JsonPath, object] = {},
        removes: Iterable[JsonPath] = (),
    ) -> int:
        """Change parts of a document in one atomic step, whatever others change in it, and return its cas.

        First `removes`, then `sets`. The path ("m", "alice.b") is body["m"]["alice.b"]. Setting makes the
        objects that lead to the path; removing what is not there changes nothing. Values are anything that
        JSON can hold.

        Raises: DocumentMissing, DocumentRefused (an empty path, or one that leads through something that is
        no object).
        """

    def delete(self, kind: Kind, key: str) -> bool:
        """Remove a document; False when there was none."""

    def close(self) -> None:
        """Let go of all connections; any later call but `close` is an outage."""


def fault_of_key(key: str) -> str | None:
    """Say why no document can have this key, or None."""
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        return "the key is not encodable as UTF-8"
    if "\0" in key:
        return "the key has a NUL character"  # where it ends for Couchbase's SDK
    if 0 < length <= KEY_LIMIT_BYTES:
        return None
    return f"the key has {length} bytes, not 1 to {KEY_LIMIT_BYTES}"


def fault_of_document(key: str, body: bytes) -> str | None:
    """Say why this document can never be stored, or None."""
    if fault := fault_of_key(key):
        return fault
    if len(body) > BODY_LIMIT_BYTES:
        return f"the body has {len(body)} bytes, more than {BODY_LIMIT_BYTES}"
    try:
        msgspec.json.decode(body, type=dict[str, object])
    except (ValueError, RecursionError) as exc:
        return f"the body is not a JSON object in UTF-8: {exc}"
    return None


def fault_of_write(write: Write) -> str | None:
    """Say why this write can never be done, as far as one sees without the store, or None."""
    match write:
        case Insert(_, key, body):
            return fault_of_document(key, body)
        case Raise(_, key) | SetPaths(_, key):
            return fault_of_key(key)


def cas_of_insert(kind: Kind, key: str, outcome: Outcome) -> int:
    """Return the new document's cas as `Store.insert` does; raises DocumentExists, DocumentRefused."""
    match outcome:
        case Written(cas):
            return cas
        case Refused(reason):
            raise DocumentRefused(f"{kind} {key!r}: {reason}")
        case _:
            raise DocumentExists(f"{kind} {key!r} is there already")
