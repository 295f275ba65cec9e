"""When one is notified of a message, and when not."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from chat.errors import LimitReached
from chat.services import push_choices
from chat.services.push_choices import Choices, Mode, PushChoices, QuietHours, RoomChoice, is_quiet, wants
from chat.store.sqlite import SqliteStore

NOW = int(datetime(2026, 1, 15, 12, tzinfo=UTC).timestamp() * 1000)
EARLIER, LATER = "2026-01-15T11:59:59.999Z", "2026-01-15T13:00:00.001+01:00"


@pytest.fixture
def chosen(tmp_path):
    store = SqliteStore(tmp_path / "chat.db")
    yield PushChoices(store, lambda: NOW)
    store.close()


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("mode", "room_mode", "plain", "mention", "direct"),
    [
        ("all", None, True, True, True),
        ("mentions", None, False, True, True),
        ("none", None, False, False, False),
        ("all", "mentions", False, True, True),
        ("all", "none", False, False, False),
        ("mentions", "all", True, True, True),
        ("mentions", "none", False, False, False),
        ("none", "all", False, False, False),
    ],
)
def test_one_is_notified_as_one_chose(mode, room_mode, plain, mention, direct):
    room = RoomChoice(Mode(room_mode) if room_mode else None)
    choices = Choices(Mode(mode), rooms={"den": room, "direct-x": room})
    assert wants(choices, "den", False, NOW) is plain
    assert wants(choices, "den", True, NOW) is mention
    assert wants(choices, "direct-x", False, NOW) is direct


@pytest.mark.parametrize(("until", "is_wanted"), [(EARLIER, True), (LATER, False)])
def test_a_mute_holds_everything_back_until_it_is_over(until, is_wanted):
    choices = Choices(rooms={"den": RoomChoice(muted_until=until)})
    assert wants(choices, "den", True, NOW) is is_wanted
    assert wants(choices, "hall", False, NOW)


@pytest.mark.parametrize(
    ("start", "end", "tz", "at_time", "is_it"),
    [
        ("22:00", "07:00", "UTC", "2026-01-15T21:59:59+00:00", False),
        ("22:00", "07:00", "UTC", "2026-01-15T22:00:00+00:00", True),
        ("22:00", "07:00", "UTC", "2026-01-15T06:59:59+00:00", True),
        ("22:00", "07:00", "UTC", "2026-01-15T07:00:00+00:00", False),
        ("12:00", "14:00", "UTC", "2026-01-15T13:00:00+00:00", True),
        ("12:00", "14:00", "UTC", "2026-01-15T14:00:00+00:00", False),
        ("22:00", "07:00", "Europe/Berlin", "2026-01-15T21:00:00+00:00", True),  # 22:00 there
        ("22:00", "07:00", "Europe/Berlin", "2026-07-15T05:00:00+00:00", False),  # 07:00 there, in summer
        ("22:00", "07:00", "Asia/Kolkata", "2026-01-15T16:30:00+00:00", True),
        ("22:00", "07:00", "Nowhere/Atall", "2026-01-15T23:00:00+00:00", True),  # taken as UTC
    ],
)
def test_quiet_hours_go_by_the_users_clock(start, end, tz, at_time, is_it):
    hours = QuietHours(start, end, tz)
    assert is_quiet(hours, at(at_time)) is is_it
    assert wants(Choices(quiet_hours=hours), "direct-x", True, at(at_time)) is not is_it


def test_one_wants_everything_when_nothing_was_chosen(chosen):
    assert chosen.of_many(["ann", "bob"]) == {"ann": Choices(), "bob": Choices()}
    assert chosen.of("ann").of_room("den") == RoomChoice()


def test_what_is_not_said_stays(chosen):
    hours = QuietHours("22:00", "07:00", "Europe/Berlin")
    chosen.change("ann", mode=Mode.MENTIONS)
    chosen.change_room("ann", "den", RoomChoice(Mode.ALL))
    assert chosen.change("ann", quiet_hours=hours) == chosen.of("ann")
    assert chosen.of("ann") == Choices(Mode.MENTIONS, hours, {"den": RoomChoice(Mode.ALL)})
    assert chosen.change("ann", quiet_hours=None).quiet_hours is None
    assert chosen.of("bob") == Choices()
    assert msgspec.json.decode(msgspec.json.encode(hours))["from"] == "22:00"


def test_a_room_is_forgotten_when_nothing_is_chosen_for_it(chosen):
    assert chosen.change_room("ann", "den", RoomChoice(Mode.NONE, LATER)) == RoomChoice(Mode.NONE, LATER)
    chosen.change_room("ann", "den", RoomChoice())
    assert chosen.of("ann").rooms == {}


def test_there_is_a_bound_and_mutes_that_are_over_make_room(chosen, monkeypatch):
    monkeypatch.setattr(push_choices, "ROOMS_LIMIT", 3)
    chosen.change_room("ann", "over", RoomChoice(muted_until=EARLIER))
    for room in ("a", "b", "c"):
        chosen.change_room("ann", room, RoomChoice(muted_until=LATER))
    assert set(chosen.of("ann").rooms) == {"a", "b", "c"}
    with pytest.raises(LimitReached):
        chosen.change_room("ann", "d", RoomChoice(Mode.NONE))
    chosen.change_room("ann", "a", RoomChoice(Mode.ALL))
    chosen.change_room("ann", "b", RoomChoice())
    chosen.change_room("ann", "d", RoomChoice(Mode.NONE))
