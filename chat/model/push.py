"""What is on its way to a device: looks at rooms with news, and jobs, one for each device and room."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import msgspec

from chat.model.device import DeviceKind


class Look(NamedTuple):
    """A room to be looked at: who of it has to be notified of the numbers `from_seq` to `upto_seq`.

    `turn` is 1 for the look after the grace, 2 for the later one at who was online at the first.
    """

    room_id: str
    from_seq: int
    upto_seq: int
    turn: int


class Target(NamedTuple):
    """A device of a user, and the room it is notified of: never more than one job waits for it."""

    kind: DeviceKind
    room_id: str
    user_id: str
    device_id: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job that is this worker's until its lease ends; only with its `token` it can be finished.

    `seq` is the newest message to tell of, and with `is_clear` the newest that was read. `tries` counts this one;
    `first_try_ms` is when the first was.
    """

    target: Target
    seq: int
    is_clear: bool
    tries: int
    first_try_ms: int
    born_ms: int
    token: str


class Outcome(StrEnum):
    """What became of a claimed job."""

    SHOWN = "shown"  # the provider has the message
    CLEARED = "cleared"  # or the clearing
    LATER = "later"  # to be tried again
    UNSURE = "unsure"  # to be tried again, though the provider may have it: no answer came
    UNUSED = "unused"  # to be tried again, and this was no try
    DROPPED = "dropped"  # nobody wants it any more
    GONE = "gone"  # the device takes nothing any more
    DEAD = "dead"  # given up, and kept as a dead letter


class LastResult(msgspec.Struct, frozen=True):
    """What became of the last push to a device.

    `at` in RFC 3339; `result` is delivered, gone, refused, paused or later; `reason` are the provider's words.
    """

    at: str
    result: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Circuit:
    """Whether a provider is asked at the moment.

    `open_until_ms` is 0 while all is well; when it has passed one job tries whether it is again. `failures` are
    those in a row that did not open it yet.
    """

    open_until_ms: int = 0
    reason: str = ""
    failures: int = 0

    def is_open(self, at_ms: int) -> bool:
        """Tell whether the provider is left alone."""
        return at_ms < self.open_until_ms

    def is_probing(self, at_ms: int) -> bool:
        """Tell whether one job has to find out."""
        return 0 < self.open_until_ms <= at_ms


class Tripped(NamedTuple):
    """What a failure did: `closed` (it goes on), `open` (it was already) or `opened`, and until when (ms)."""

    status: str
    until_ms: int


class PushLetter(NamedTuple):
    """A notification that was given up; `letter_id` is `KIND:ENTRY`."""

    letter_id: str
    target: Target
    seq: int
    tries: int
    reason: str
    at_ms: int
