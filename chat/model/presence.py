"""Who is there: the records between those who hold presence, Redis, and those who are told."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec


class StatusChange(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A user came online in rooms, was taken out of rooms while online, or went offline in all of them."""

    kind: Literal["online", "left", "offline"]
    user_id: str
    at_us: int  # by Redis's clock, so that changes told by different servers can be put in order
    last_seen: str
    name: str
    rooms: list[str]


@dataclass(frozen=True, slots=True)
class Holding:
    """What a server knows of a user who is connected to it."""

    user_id: str
    name: str
    rooms: Collection[str] = ()  # that its connections joined
    connections: Collection[str] = ()
    is_new: bool = False  # nobody told Redis of this user since the first connection came


@dataclass(frozen=True, slots=True)
class Batch:
    """What happened on a server since it last told Redis."""

    arrivals: Collection[Holding] = ()  # users, or users in rooms, that are new here
    renewals: Collection[Holding] = ()
    departures: Collection[str] = ()  # users who are not here any more
    exits: Mapping[str, Collection[str]] = field(default_factory=dict)  # user -> rooms left on purpose
    removals: Mapping[str, Collection[str]] = field(default_factory=dict)  # user -> rooms they may not be in
    closed: Collection[str] = ()  # connections
    is_repeated: bool = False  # some of it may have been decided already, and not told


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a batch."""

    changes: tuple[StatusChange, ...] = ()
    lost: frozenset[str] = frozenset()  # users who were thought to be there and are not: they have to arrive anew


@dataclass(frozen=True, slots=True)
class RoomPresence:
    """Who is online in a room: how many, and the names of some of them by user id."""

    count: int
    online: dict[str, str]


@dataclass(frozen=True, slots=True)
class Look:
    """What Redis knows of some users, for somebody who is in some rooms."""

    sharing: frozenset[str]  # users who are in one of the rooms, as far as Redis knows
    cold_rooms: tuple[str, ...]  # of these it does not know the members
    users: dict[str, UserPresence]


@dataclass(frozen=True, slots=True)
class UserPresence:
    """Whether a user is online, and when last."""

    is_online: bool
    last_seen: str | None


STRANGER = UserPresence(False, None)  # what one learns of people with whom one shares no room

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[StatusChange])


def write_changes(changes: Collection[StatusChange]) -> bytes:
    """Return changes as they are published."""
    return _encoder.encode(list(changes))


def read_changes(payload: bytes) -> list[StatusChange]:
    """Read what was published."""
    return _decoder.decode(payload)
