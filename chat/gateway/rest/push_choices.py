"""`/api/v1/me/push` and `/api/v1/rooms/{id}/push`: what one wants to be notified of."""

from __future__ import annotations

import re
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from flask import Blueprint, Response
from msgspec import UNSET, UnsetType

from chat.errors import InvalidRequest
from chat.gateway.rest.bodies import answer, checked_id, read_body, who
from chat.gateway.rest.operations import Operation
from chat.model.clock import ms_of, rfc3339
from chat.protocol.shapes import Time
from chat.services.membership import Membership
from chat.services.push_choices import Choices, Mode, PushChoices, QuietHours, RoomChoice

OF_USER, OF_ROOM = "/api/v1/me/push", "/api/v1/rooms/<room_id>/push"
LATEST_MS = 253_402_300_799_999  # the end of the year 9999
_WALL_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_ZONE = re.compile(r"[A-Za-z0-9_+/-]{1,64}", re.ASCII)


class WantedHours(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """Each day from when to when nothing is pushed, as HH:MM in a zone such as Europe/Berlin."""

    from_: str | None = None
    to: str | None = None
    tz: str | None = None


class WantedPush(msgspec.Struct, frozen=True):
    """What is to be changed; what is left out stays. `quiet_hours: null` is no quiet hours."""

    mode: Mode | UnsetType = UNSET
    quiet_hours: WantedHours | UnsetType | None = UNSET


class HoursTold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Each day from when to when nothing is pushed."""

    from_: str
    to: str
    tz: str


class PushTold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one is notified of, where a room has no choice of its own."""

    mode: Mode
    quiet_hours: HoursTold | None


class WantedRoomPush(msgspec.Struct, frozen=True):
    """What is chosen for the room; without a mode it is that of all rooms."""

    mode: Mode | None = None
    muted_until: Annotated[str, msgspec.Meta(description="RFC 3339")] | None = None


class RoomPushTold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is chosen for the room; null where nothing is."""

    mode: Mode | None
    muted_until: Time | None


SHOW = Operation("GET", OF_USER, "showPush", "What one is notified of", {200: PushTold})
CHANGE = Operation(
    "PATCH", OF_USER, "changePush", "Choose what to be notified of", {200: PushTold}, body=WantedPush
)
SHOW_ROOM = Operation(
    "GET", OF_ROOM, "showRoomPush", "What one is notified of in a room", {200: RoomPushTold}, refusals=(403, 404)
)
CHANGE_ROOM = Operation(
    "PUT",
    OF_ROOM,
    "changeRoomPush",
    "Mute a room, or choose what to be notified of there",
    {200: RoomPushTold},
    body=WantedRoomPush,
    refusals=(403, 404, 409),
)


def blueprint(membership: Membership, choices: PushChoices) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("push_choices", __name__)

    def member_of(room_id: str) -> str:
        user_id = who("choosing").user_id
        membership.require(checked_id(room_id, "roomId"), user_id)
        return user_id

    @SHOW.on(routes)
    def show() -> Response:
        return _told(choices.of(who("this").user_id))

    @CHANGE.on(routes)
    def change() -> Response:
        user_id = who("choosing").user_id
        wanted = read_body(WantedPush)
        hours = (
            _checked_hours(wanted.quiet_hours)
            if isinstance(wanted.quiet_hours, WantedHours)
            else wanted.quiet_hours
        )
        return _told(choices.change(user_id, mode=wanted.mode, quiet_hours=hours))

    @SHOW_ROOM.on(routes)
    def show_room(room_id: str) -> Response:
        return _told_of_room(choices.of(member_of(room_id)).of_room(room_id))

    @CHANGE_ROOM.on(routes)
    def change_room(room_id: str) -> Response:
        user_id = member_of(room_id)
        wanted = read_body(WantedRoomPush)
        choice = RoomChoice(wanted.mode, _checked_time(wanted.muted_until))
        return _told_of_room(choices.change_room(user_id, room_id, choice))

    return routes


def _told(choices: Choices) -> Response:
    return answer({"mode": choices.mode, "quiet_hours": choices.quiet_hours})


def _told_of_room(choice: RoomChoice) -> Response:
    return answer(RoomPushTold(choice.mode, choice.muted_until))


def _checked_hours(wanted: WantedHours) -> QuietHours:
    found: dict[str, Any] = {"from": wanted.from_, "to": wanted.to, "tz": wanted.tz}
    for name, value in found.items():
        if value is None:
            raise _refused(name, 'is missing; send {"from": "22:00", "to": "07:00", "tz": "Europe/Berlin"}')
        if name != "tz" and not _WALL_TIME.fullmatch(value):
            raise _refused(name, "must be a time of the day from 00:00 to 23:59")
    if not _is_zone(found["tz"]):
        raise _refused("tz", "must be a zone of the IANA database, such as Europe/Berlin")
    if found["from"] == found["to"]:
        raise _refused("to", 'must differ from "from"; to get nothing at all choose {"mode": "none"}')
    return QuietHours(found["from"], found["to"], found["tz"])


def _is_zone(name: str) -> bool:
    try:
        return _ZONE.fullmatch(name) is not None and ZoneInfo(name) is not None
    except (KeyError, ValueError, OSError):
        return False


def _checked_time(text: str | None) -> str | None:
    """Return a time in UTC, as it is stored."""
    if text is None:
        return None
    try:
        at_ms = ms_of(text)
        if not 0 <= at_ms <= LATEST_MS:
            raise ValueError("out of range")
    except (ValueError, OverflowError):
        mend = "must be a time as in RFC 3339, such as 2026-01-31T12:00:00Z; null unmutes"
        raise InvalidRequest(f"muted_until {mend}", field="muted_until") from None
    return rfc3339(at_ms)


def _refused(name: str, mend: str) -> InvalidRequest:
    return InvalidRequest(f"quiet_hours.{name} {mend}", field=f"quiet_hours.{name}")
