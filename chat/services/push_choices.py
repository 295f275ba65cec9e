"""What a user wants to be notified of: in all, by room, and at which hours not at all."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from chat.errors import LimitReached
from chat.model.clock import ms_of, now_ms
from chat.model.room import DIRECT_PREFIX
from chat.services.compare_and_set import change
from chat.store.base import Kind, Store

ROOMS_LIMIT = 1000  # with choices of their own, of one user: some 100 KB


class Mode(StrEnum):
    """Which messages one is notified of."""

    ALL = "all"
    MENTIONS = "mentions"  # those that name one, and those in direct rooms
    NONE = "none"


class QuietHours(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """From when to when, each day, nothing is pushed: `22:00` to `07:00` goes over midnight, in the zone `tz`."""

    from_: str
    to: str
    tz: str


class RoomChoice(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is chosen for one room; without a mode it is the user's."""

    mode: Mode | None = None
    muted_until: str | None = None

    @property
    def is_none(self) -> bool:
        """Tell whether nothing is chosen."""
        return self.mode is None and self.muted_until is None


class Choices(msgspec.Struct, frozen=True, omit_defaults=True):
    """The document of kind `push_choices`, under the user's id."""

    mode: Mode = Mode.ALL
    quiet_hours: QuietHours | None = None
    rooms: dict[str, RoomChoice] = {}

    def of_room(self, room_id: str) -> RoomChoice:
        """Return what is chosen for a room."""
        return self.rooms.get(room_id, RoomChoice())


_choices = msgspec.json.Decoder(Choices)


class PushChoices:
    """Reads and changes them."""

    def __init__(self, store: Store, now: Callable[[], int] = now_ms) -> None:
        self._store = store
        self._now = now

    def of(self, user_id: str) -> Choices:
        """Return a user's choices. Raises StoreUnavailable."""
        return self.of_many([user_id])[user_id]

    def of_many(self, user_ids: Collection[str]) -> dict[str, Choices]:
        """Return the choices of each user, in one read. Raises StoreUnavailable."""
        found = self._store.get_many(Kind.PUSH_CHOICES, user_ids)
        return {each: _choices.decode(found[each].body) if each in found else Choices() for each in user_ids}

    def change(
        self,
        user_id: str,
        *,
        mode: Mode | msgspec.UnsetType = msgspec.UNSET,
        quiet_hours: QuietHours | msgspec.UnsetType | None = msgspec.UNSET,
    ) -> Choices:
        """Choose for all rooms; what is unset stays. Returns all choices. Raises StoreUnavailable."""
        given = {"mode": mode, "quiet_hours": quiet_hours}
        said = {name: value for name, value in given.items() if value is not msgspec.UNSET}
        return self._change(user_id, lambda choices: msgspec.structs.replace(choices, **said))

    def change_room(self, user_id: str, room_id: str, choice: RoomChoice) -> RoomChoice:
        """Choose for a room. Raises StoreUnavailable; LimitReached when too many rooms have choices."""

        def decide(choices: Choices) -> Choices:
            rooms = {each: of_it for each, of_it in choices.rooms.items() if each != room_id}
            if not choice.is_none and len(rooms) >= ROOMS_LIMIT:
                rooms = {each: of_it for each, of_it in rooms.items() if not self._is_over(of_it)}
                if len(rooms) >= ROOMS_LIMIT:
                    raise LimitReached(f"at most {ROOMS_LIMIT} rooms have choices of their own; reset one of them")
            return msgspec.structs.replace(choices, rooms=rooms if choice.is_none else {**rooms, room_id: choice})

        return self._change(user_id, decide).of_room(room_id)

    def _change(self, user_id: str, decide: Callable[[Choices], Choices]) -> Choices:
        made: list[Choices] = []

        def decide_on(body: bytes | None) -> bytes | None:
            before = _choices.decode(body) if body else Choices()
            made[:] = [decide(before)]
            return None if made[0] == before else msgspec.json.encode(made[0])

        change(self._store, Kind.PUSH_CHOICES, user_id, decide_on)
        return made[0]

    def _is_over(self, choice: RoomChoice) -> bool:
        """Tell whether it says nothing any more: it only muted, until a time that has passed."""
        return choice.mode is None and not _is_muted(choice, self._now())


def wants(choices: Choices, room_id: str, is_mention: bool, now: int) -> bool:
    """Tell whether a user wants to be notified of a message, `now` in ms since 1970.

    Quiet hours, a mute and `none` hold everything back, also what names the user. A room's mode goes before the
    user's, but for the user's `none`.
    """
    room = choices.of_room(room_id)
    if choices.mode is Mode.NONE or _is_muted(room, now) or is_quiet(choices.quiet_hours, now):
        return False
    mode = room.mode or choices.mode
    return mode is Mode.ALL or (mode is Mode.MENTIONS and (is_mention or room_id.startswith(DIRECT_PREFIX)))


def is_quiet(hours: QuietHours | None, now: int) -> bool:
    """Tell whether it is one of the quiet hours, by the wall clock where the user is."""
    if hours is None:
        return False
    wall = datetime.fromtimestamp(now / 1000, UTC).astimezone(_zone(hours.tz)).strftime("%H:%M")
    if hours.from_ <= hours.to:
        return hours.from_ <= wall < hours.to
    return wall >= hours.from_ or wall < hours.to


@lru_cache(maxsize=1024)
def _muted_until_ms(text: str) -> int:
    return ms_of(text)


@lru_cache(maxsize=1024)  # there are some 600
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # the server that checked it knew more zones than this one
        return ZoneInfo("UTC")


def _is_muted(choice: RoomChoice, now: int) -> bool:
    return choice.muted_until is not None and now < _muted_until_ms(choice.muted_until)
