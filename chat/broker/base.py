"""What the broker's steps answer: the types that callers handle, and the guarantees behind them.

- accept is one atomic step: a message that anyone saw is queued for storing, numbered once per room,
  and the same (room, sender, temp id) is one message for 24 h. It is safe to repeat.
- confirm and retract happen once per message, whatever is repeated around them.
- append gives one event of a change that is stored already its place in the log, and never an older state of
  its subject after a newer one.
- the log holds the last events of a room in order; a reader gets all it missed or is told it can't.

One of each `Struct` below is made per message: they cost a fifth of a frozen dataclass, and the cycle collector
does not look at them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from chat.errors import ChatError

CONFLICT = "conflict"  # the code of a retraction whose number another message has
SUSPECT_ABOVE = 5  # deliveries: bad luck makes two or three, an entry that kills its worker makes all


class Draft(Struct, frozen=True, gc=False):
    """A message on its way to be accepted; `members` is its JSON without `id` and `seq`."""

    room_id: str
    sender_id: str
    temp_id: str
    accepted_ms: int
    confirm_by: str
    members: bytes


class Accepted(Struct, frozen=True, gc=False):
    """Numbered, published and queued."""

    seq: int
    epoch: str
    offset: int


class Duplicate(Struct, frozen=True, gc=False):
    """The temp id is known: this is what became of its first message."""

    state: str  # pending | confirmed | failed
    seq: int
    epoch: str
    error_code: str = ""
    error_text: str = ""


@dataclass(frozen=True, slots=True)
class Cold:
    """Redis has no numbering for the room: warm it from the store and try again."""


@dataclass(frozen=True, slots=True)
class Overloaded:
    """The outbox is at its limit; this message was not accepted."""


AcceptOutcome = Accepted | Duplicate | Cold | Overloaded
OnOutcome = Callable[[AcceptOutcome | ChatError], None]


class Accepting(Protocol):
    """The accept step: `on_outcome` is called once, from another greenlet, and must not block."""

    def submit(self, draft: Draft, on_outcome: OnOutcome) -> None: ...

    def is_submitting(self, is_meant: Callable[[Draft], bool]) -> bool: ...


@dataclass(frozen=True, slots=True)
class Intent:
    """A change that is about to be stored and then told; one that stays behind was interrupted."""

    name: str  # of the event
    room_id: str
    subject: str  # room or message id
    detail: str  # what the event's finisher needs to know, without a space
    token: str  # makes it unique, so that nobody else's end ends it


@dataclass(frozen=True, slots=True)
class DurableEvent:
    """An event besides messages; its frame is `head`, the offset, `tail`.

    `cut` names whom it cuts off from the room: nobody (`-`), everybody (`*`) or a user. `told` are users who are
    told although they do not listen to the room.
    """

    room_id: str
    name: str
    subject: str
    revision: int
    head: bytes
    tail: bytes
    cut: str = "-"
    told: Collection[str] = ()
    is_for_servers: bool = False  # told to every server, as all that changes who is in the room


@dataclass(frozen=True, slots=True)
class Appended:
    """In the log and published; `token` is what servers acknowledge, `receivers` how many heard it."""

    epoch: str
    offset: int
    receivers: int = 0
    token: str = ""


@dataclass(frozen=True, slots=True)
class Stale:
    """A newer revision was told: read the state again."""

    revision: int


AppendOutcome = Appended | Stale | Cold


class Appending(Protocol):
    """Durable events besides messages, and the notes that make a crash before their telling harmless."""

    def intend(self, intent: Intent) -> None: ...

    def forget(self, intent: Intent) -> None: ...

    def overdue(self, older_than_s: float) -> list[Intent]: ...

    def append(self, event: DurableEvent, intent: Intent | None = None, token: str = "") -> AppendOutcome: ...


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """What a cached set says of a member, None when there is no set; `mark` names the state of its truth."""

    is_member: bool | None
    mark: str = ""


@dataclass(frozen=True, slots=True)
class CachedNames:
    """What is in a cached set, None when there is none."""

    names: set[str] | None
    mark: str = ""


@dataclass(frozen=True, slots=True)
class LogRead:
    """A reading of a room's log.

    `status` is `complete` (`events` are all after the asked offset), `position` (none were asked for),
    `foreign`, `ahead`, `trimmed` (they can't be told) or `cold`.
    """

    status: str
    epoch: str = ""
    offset: int = 0
    seq: int = 0
    events: tuple[bytes, ...] = ()
    waiting: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a message: `unknown`, `pending`, `confirmed` or `failed`."""

    state: str
    seq: int = 0
    epoch: str = ""
    error_code: str = ""
    error_text: str = ""
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A message that waits to be stored."""

    room_id: str
    epoch: str
    seq: int
    sender_id: str
    temp_id: str
    accepted_ms: int
    members: bytes


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """What one accept queued: messages of one room with consecutive numbers."""

    shard: int
    entry_id: str
    room_id: str
    epoch: str
    first_seq: int
    messages: tuple[OutboxMessage, ...]
    deliveries: int = 1


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A stored message and the frame that tells its sender."""

    entry: OutboxEntry
    message: OutboxMessage
    frame: bytes


@dataclass(frozen=True, slots=True)
class Retraction:
    """A message that is given up, and the frame that tells its sender."""

    entry: OutboxEntry
    message: OutboxMessage
    code: str
    text: str
    retryable: bool
    frame: bytes


class Draining(Protocol):
    """The worker's side of the outbox; what is taken stays pending until it is confirmed or retracted."""

    def take(self, limit: int) -> list[OutboxEntry]: ...

    def reclaim(self, min_idle_ms: int, limit: int) -> list[OutboxEntry]: ...

    def keep(self, entries: Collection[OutboxEntry], *, idle_ms: int = 0) -> None: ...

    def settled(self, shard: int) -> set[str]: ...

    def confirm(self, confirmations: Collection[Confirmation]) -> int: ...

    def retract_all(self, retractions: Collection[Retraction]) -> int: ...


class DrainLeasing(Protocol):
    """While it is held, nobody sends wake-ups; whoever releases it has to look once more."""

    def take(self) -> None: ...

    def hold(self, store_round_trips: int = 0) -> bool: ...

    def release(self) -> None: ...


class RoomLog(Protocol):
    """Reads of what the broker knows about a room, and the cold start of its numbering."""

    def read(self, room_id: str, epoch: str = "", offset: int = 0) -> LogRead: ...

    def newest(self, room_id: str, offset: int) -> list[bytes]: ...

    def positions(self, room_ids: Sequence[str]) -> list[tuple[str, int]]: ...

    def warm(
        self,
        room_id: str,
        last_seq: int,
        sent: Sequence[tuple[str, str, int, str]],
        removed: Collection[int] = (),
    ) -> LogRead: ...

    def fates(self, room_id: str, sent: Sequence[tuple[str, str]]) -> list[Fate]: ...

    def waiting(self, room_id: str, seqs: Collection[int]) -> dict[int, OutboxMessage]: ...
