"""Each change of a room is stored, taken over by the caches and told, also when a server dies in between."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chat.broker.base import Intent
from chat.errors import (
    BrokerUnavailable,
    LimitReached,
    NotAMember,
    RequestError,
    RoomExists,
    RoomNotFound,
    StoreUnavailable,
)
from chat.model.room import Role, RoomType, direct_room_id
from chat.services import room_changes, room_updates
from chat.services.announcing import Sweep
from chat.store.base import Kind
from chat.store.sqlite import SqliteStore
from tests.support.keeping import Keeping
from tests.support.threads import AT_ONCE, at_once


@pytest.fixture
def keeping(tmp_path):
    store = SqliteStore(tmp_path / "chat.db")
    yield Keeping(store)
    store.close()


@pytest.fixture
def group(keeping):
    keeping.changes.create(RoomType.GROUP, "ann", ["bob"], room_id="g", name="Us")
    keeping.broker.published.clear()
    keeping.broker.told.clear()
    return keeping


def heard(keeping) -> list[dict[str, Any]]:
    """Return the events of rooms that were published, oldest first."""
    return [json.loads(payload.split(b"\n")[2])["data"] for _, payload in keeping.broker.published]


def members(keeping, room_id="g") -> dict[str, str]:
    return {user_id: str(each.role) for user_id, each in keeping.rooms.members(room_id).items()}


def sweep(keeping) -> int:
    return Sweep(keeping.broker, {room_updates.EVENT: keeping.changes.finish}).run()


def test_its_members_are_told_when_a_room_is_made(keeping):
    keeping.changes.create(RoomType.GROUP, "ann", ["bob"], room_id="g", name="Us")
    [event] = heard(keeping)
    assert (event["roomId"], event["change"], event["offset"]) == ("g", "created", 1)
    assert event["room"]["members"] == [{"user_id": "ann", "role": "owner"}, {"user_id": "bob", "role": "member"}]
    [told] = keeping.broker.told
    assert (told.cut, told.users, told.asked_by) == ("-", ["ann", "bob"], "-")
    assert keeping.broker.intents == []


def test_a_direct_room_is_told_once_when_it_is_asked_for_again(keeping):
    first = keeping.changes.create(RoomType.DIRECT, "ann", ["bob"], room_id="x", name=None)
    again = keeping.changes.create(RoomType.DIRECT, "bob", ["ann"], room_id="y", name=None)
    assert first == again
    assert first.room.id == direct_room_id("ann", "bob")
    assert len(heard(keeping)) == 1


def test_two_people_have_one_direct_room_when_both_make_it_at_once(keeping):
    def make(n):
        one, other = ("ann", "bob") if n % 2 else ("bob", "ann")
        return keeping.changes.create(RoomType.DIRECT, one, [other], room_id="x", name=None).room.id

    assert set(at_once(AT_ONCE, make)) == {direct_room_id("ann", "bob")}
    assert members(keeping, direct_room_id("ann", "bob")) == {"ann": "member", "bob": "member"}


@pytest.mark.parametrize(("change", "event"), [
    (lambda changes: changes.put_member("g", "ann", "cy", None), ("member-added", "cy", "-")),
    (lambda changes: changes.put_member("g", "ann", "bob", Role.ADMIN), ("role-changed", "bob", "-")),
    (lambda changes: changes.remove_member("g", "ann", "bob"), ("member-removed", "bob", "bob")),
    (lambda changes: changes.remove_member("g", "bob", "bob"), ("member-removed", "bob", "bob")),
    (lambda changes: changes.rename("g", "ann", "We"), ("renamed", None, "-")),
    (lambda changes: changes.delete("g", "ann"), ("deleted", None, "*")),
])  # fmt: skip
def test_a_change_is_told_with_the_state_after_it_when_it_was_made(group, change, event):
    change(group.changes)
    [told] = heard(group)
    [to_servers] = group.broker.told
    assert (told["change"], told.get("userId"), to_servers.cut) == event
    assert to_servers.users == ([event[1]] if event[1] else ["ann", "bob"])
    assert bool(group.awaited) == (event[2] != "-")
    assert group.broker.intents == []
    if event[0] != "deleted":
        shown = {each["user_id"]: each["role"] for each in told["room"]["members"]}
        assert shown == members(group)
        assert told["room"]["name"] == group.rooms.get("g").name


@pytest.mark.parametrize("change", [
    lambda changes: changes.put_member("g", "ann", "bob", None),
    lambda changes: changes.put_member("g", "ann", "bob", Role.MEMBER),
    lambda changes: changes.rename("g", "ann", "Us"),
])  # fmt: skip
def test_nothing_is_told_when_nothing_changes(group, change):
    change(group.changes)
    assert (heard(group), group.broker.intents) == ([], [])


@pytest.mark.parametrize("change", [
    lambda changes: changes.put_member("g", "bob", "cy", None),
    lambda changes: changes.put_member("g", "eve", "eve", None),
    lambda changes: changes.remove_member("g", "bob", "ann"),
    lambda changes: changes.rename("g", "bob", "We"),
    lambda changes: changes.delete("g", "bob"),
    lambda changes: changes.join("g", "eve"),
    lambda changes: changes.create(RoomType.GROUP, "eve", [], room_id="g", name=None),
])  # fmt: skip
def test_nothing_is_noted_or_told_when_a_change_is_refused(group, change):
    with pytest.raises(RequestError):
        change(group.changes)
    assert (heard(group), group.broker.intents) == ([], [])
    assert members(group) == {"ann": "owner", "bob": "member"}


def test_nobody_finds_a_room_when_it_was_deleted(group):
    group.changes.delete("g", "ann")
    for ask in (
        lambda: group.rooms.get("g"),
        lambda: group.rooms.members("g"),
        lambda: group.changes.join("g", "ann"),
        lambda: group.changes.open_channel("g", "ann"),
        lambda: group.changes.open_channel("g", "guest-1", is_guest=True),
        lambda: group.another(is_dev=True).require("g", "ann"),
        lambda: group.changes.delete("g", "ann"),
    ):
        with pytest.raises(RoomNotFound):
            ask()
    with pytest.raises(RoomExists):
        group.changes.create(RoomType.GROUP, "ann", [], room_id="g", name=None)


def test_a_group_ends_when_its_last_member_leaves(group):
    group.changes.remove_member("g", "ann", "bob")
    group.changes.remove_member("g", "ann", "ann")
    assert [each["change"] for each in heard(group)] == ["member-removed", "member-removed", "deleted"]
    with pytest.raises(RoomNotFound):
        group.rooms.get("g")


def test_a_channel_stays_and_has_a_new_owner_when_its_last_member_left(keeping):
    keeping.changes.open_channel("c", "ann")
    keeping.changes.remove_member("c", "ann", "ann")
    keeping.changes.join("c", "bob")
    assert members(keeping, "c") == {"bob": "owner"}


def test_a_large_channel_hears_of_those_who_are_added_and_not_of_those_who_come_by_themselves(keeping, monkeypatch):
    monkeypatch.setattr(room_changes, "QUIET_ABOVE", 2)
    monkeypatch.setattr(room_updates, "NAMED_IN_EVENT", 3)
    keeping.changes.open_channel("c", "ann")
    for user_id in ("bob", "cy", "dan"):
        keeping.changes.join("c", user_id)
    assert [each["userId"] for each in heard(keeping)] == ["bob"]  # ann found nobody there
    assert keeping.broker.intents == []
    keeping.changes.put_member("c", "ann", "eve", None)
    told = heard(keeping)[-1]
    assert told["room"]["member_count"] == 5
    assert told["room"]["members"] == [{"user_id": "eve", "role": "member"}]


def test_the_limit_is_kept_when_more_join_at_once(tmp_path):
    store = SqliteStore(tmp_path / "chat.db")
    servers = [Keeping(store, member_limit=10) for _ in range(3)]
    servers[0].changes.open_channel("c", "ann")
    results = at_once(AT_ONCE, lambda n: servers[n % 3].changes.join("c", f"user{n}"))
    assert results.count(None) == 9
    assert {type(each) for each in results if each is not None} == {LimitReached}
    assert len(servers[0].rooms.members("c")) == 10
    store.close()


def test_the_state_never_goes_back_when_many_change_a_room_at_once(keeping):
    keeping.changes.create(RoomType.CHANNEL, "ann", [], room_id="c", name="0")

    def change(n):
        if n % 3:
            keeping.changes.join("c", f"user{n}")
        else:
            keeping.changes.rename("c", "ann", str(n))

    assert at_once(AT_ONCE, change) == [None] * AT_ONCE
    told = [each["room"]["member_count"] for each in heard(keeping)]
    assert told == sorted(told)
    last = heard(keeping)[-1]["room"]
    assert (last["member_count"], last["name"]) == (len(keeping.rooms.members("c")), keeping.rooms.get("c").name)


def dying_before_telling(keeping, monkeypatch):
    """Let the server die when it has stored a change."""

    def die(*_args, **_options):
        raise SystemExit

    monkeypatch.setattr(keeping.announcer, "announce", die)


@pytest.mark.parametrize(("change", "told"), [
    (lambda changes: changes.put_member("g", "ann", "cy", None), ("member-added", "cy")),
    (lambda changes: changes.put_member("g", "ann", "bob", Role.ADMIN), ("role-changed", "bob")),
    (lambda changes: changes.remove_member("g", "ann", "bob"), ("member-removed", "bob")),
    (lambda changes: changes.rename("g", "ann", "We"), ("renamed", None)),
    (lambda changes: changes.delete("g", "ann"), ("deleted", None)),
    (lambda changes: changes.create(RoomType.GROUP, "cy", [], room_id="h", name=None), ("created", None)),
])  # fmt: skip
@pytest.mark.parametrize("is_redis_wiped", [False, True])
def test_the_sweep_tells_when_a_server_died_after_storing(group, monkeypatch, change, told, is_redis_wiped):
    with monkeypatch.context() as patch:
        dying_before_telling(group, patch)
        with pytest.raises(SystemExit):
            change(group.changes)
    assert heard(group) == []
    if is_redis_wiped:  # all but the notes, of another shard as it were
        notes = list(group.broker.intents)
        group.broker.lose_everything()
        group.broker.intents = notes
    assert sweep(group) == 1
    [event] = heard(group)
    assert (event["change"], event.get("userId")) == told
    assert group.broker.intents == []
    assert sweep(group) == 0


def test_the_sweep_says_nothing_when_a_server_died_before_storing(group):
    for detail in ("member-added:cy", "member-removed:bob", "deleted:"):
        group.broker.intend(Intent(room_updates.EVENT, "g", "g", detail, detail))
    group.broker.intend(Intent(room_updates.EVENT, "never-made", "never-made", "created:", "t"))
    assert sweep(group) == 4
    assert heard(group) == []
    assert group.broker.intents == []


@pytest.mark.parametrize("kind", [Kind.MEMBERS, Kind.USER_ROOMS])
def test_the_sweep_mends_both_sides_when_a_server_died_between_them(group, monkeypatch, kind):
    def die(*_args, **_options):
        raise SystemExit

    is_list = kind is Kind.USER_ROOMS
    with monkeypatch.context() as patch:
        patch.setattr(*((group.rooms.of_user, "put") if is_list else (group.rooms, "empty")), die)
        with pytest.raises(SystemExit):
            group.changes.remove_member("g", "ann", "bob") if is_list else group.changes.delete("g", "ann")
    assert sweep(group) == 1
    assert [each["change"] for each in heard(group)] == ["member-removed" if kind is Kind.USER_ROOMS else "deleted"]
    if kind is Kind.USER_ROOMS:
        assert group.rooms.of_user.of("bob") == set()
    else:
        assert group.rooms.roster("g", is_deleted_too=True).members == {}


def test_a_note_stays_when_the_store_may_or_may_not_have_written(group, monkeypatch):
    def fail(*_args, **_options):
        raise StoreUnavailable("replace")

    with monkeypatch.context() as patch:
        patch.setattr(group.store, "replace", fail)
        with pytest.raises(StoreUnavailable):
            group.changes.remove_member("g", "ann", "bob")
    assert [each.detail for each in group.broker.intents] == ["member-removed:bob"]


def test_nothing_is_stored_when_it_cannot_be_noted(group):
    group.broker.fault = BrokerUnavailable("note change")
    with pytest.raises(BrokerUnavailable):
        group.changes.remove_member("g", "ann", "bob")
    assert members(group) == {"ann": "owner", "bob": "member"}


def test_a_removed_member_is_in_no_cache_when_the_removal_is_told(group):
    member = group.another()
    member.require("g", "bob")
    seen: list[Any] = []
    group.awaited = seen

    def is_in_cache(_appended):
        seen.append((group.caches.ask("g", "bob").is_member, group.caches.rooms_of("bob").names))

    group.changes.await_cut = is_in_cache
    group.changes.remove_member("g", "ann", "bob")
    assert seen == [(None, None)]
    with pytest.raises(NotAMember):
        group.another().require("g", "bob")


def test_it_is_said_who_came_and_went_so_that_what_is_unread_is_counted_anew(group):
    moved: list[tuple[str, str]] = []
    group.changes._on_moved = lambda user_id, room_id: moved.append((user_id, room_id))
    group.changes.put_member("g", "ann", "cat", None)
    group.changes.put_member("g", "ann", "cat", Role.ADMIN)
    group.changes.rename("g", "ann", "other")
    group.changes.remove_member("g", "ann", "cat")
    group.changes.delete("g", "ann")
    assert moved == [("cat", "g"), ("cat", "g"), ("*", "g")]
