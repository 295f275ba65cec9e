"""The port to the push providers: what every adapter guarantees, so that deciding and retrying is written once.

- **One notice to one device a call.** A call returns what became of it within 15 seconds and raises nothing for
  what a provider or the network does.
- **At least once.** A provider may have taken a notice though the answer was lost. A repeat has the same `id` and
  `collapse`, so the device shows one notification in any case.
- **Safe for threads.** Several threads of one process push at a time; connections are kept open between calls.
- **What is told tells what to do**: nothing more (`Delivered`), forget the device (`Gone`), forget the notice
  (`Refused`), stop this provider and call an operator (`Paused`), try again (`Later`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

from chat.model.device import Device

COLLAPSE_LIMIT = 32  # characters: Web Push's Topic (RFC 8030 section 5.4) is the shortest of the three


class NoticeKind(StrEnum):
    """What a device does with a notice."""

    MESSAGE = "message"  # shows it
    CLEAR = "clear"  # takes the room's notification away, in silence: it was read elsewhere
    TEST = "test"  # shows it: its owner asked for one


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification. Of a room a device shows one at a time: a later one takes the place of the one before.

    `id` is a UUID made of message and device, the same for each try; `collapse` has at most COLLAPSE_LIMIT
    characters of A-Z a-z 0-9 _ - and is the same for all notices of a room. Title and body may be empty where
    contents are left out.
    """

    id: str
    kind: NoticeKind
    collapse: str
    room_id: str
    message_id: str
    seq: int
    title: str
    body: str
    unread: int  # of the user in all, for the badge
    ttl_s: int  # so long the provider keeps trying


@dataclass(frozen=True, slots=True)
class Delivered:
    """The provider has taken it."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The device will never take anything again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """This notice will never be taken (too large, malformed); others of the device may."""

    reason: str


@dataclass(frozen=True, slots=True)
class Paused:
    """The provider takes nothing from us before an operator mends something: key, account, topic.

    Of Web Push, which is many services, `service` is the host that said so: the others may take everything.
    """

    reason: str
    service: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Later:
    """Not now: busy, broken or not to be reached; `after_s` is how long the provider asks us to wait."""

    reason: str
    after_s: float | None = None


Result: TypeAlias = Delivered | Gone | Refused | Paused | Later


class Provider(Protocol):
    """What reaches the devices of one kind."""

    def push(self, device: Device, notice: Notice) -> Result:
        """Hand a notice to the provider and return what became of it."""
        ...

    def close(self) -> None:
        """Let go of the connections."""
        ...
