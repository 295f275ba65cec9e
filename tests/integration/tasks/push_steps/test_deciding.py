"""Who is notified of what, and what it says: every step on a real Valkey and a real store."""

from __future__ import annotations

import json

import pytest

from chat.model.amendments import deleted
from chat.model.device import DeviceKind
from chat.model.message import message_key
from chat.model.push import LastResult
from chat.model.room import RoomType
from chat.services.push_choices import Mode, RoomChoice
from chat.store.base import Kind
from tests.support.pushing import FCM, PushScene

# who is told


def test_who_is_away_is_told_of_a_message(scene, phone):
    scene.send("r1", "ann", "hello bob", sender_name="Ann")
    scene.push()
    [notice] = scene.shown(phone)
    assert (notice.title, notice.body, notice.seq, notice.unread) == ("Ann", "hello bob", 1, 1)
    assert (notice.room_id, notice.message_id) == ("r1", scene.id_of("r1", 1))
    assert scene.result(phone) == LastResult("", "delivered", None)
    assert scene.waiting() == 0


def test_who_is_online_is_not_told(scene, phone):
    scene.appear("bob")
    scene.send("r1", "ann")
    scene.push()
    assert scene.asked() == []


def test_who_has_read_meanwhile_is_not_told(scene, phone):
    scene.send("r1", "ann")
    scene.drain()
    scene.mark("r1", "bob", 1)
    scene.push()
    assert scene.asked() == []


def test_who_wrote_it_is_not_told_on_any_device(scene, phone):
    scene.send("r1", "bob")
    scene.push()
    assert scene.asked() == []


def test_who_was_online_and_is_gone_is_told_at_the_second_look(scene, phone):
    scene.appear("bob")
    scene.send("r1", "ann")
    scene.push()
    scene.vanish("bob")
    scene.look_again()
    scene.send_due()
    assert [each.seq for each in scene.shown(phone)] == [1]
    scene.look_again()
    scene.send_due()
    assert len(scene.asked()) == 1


def test_nothing_is_told_twice_when_the_second_look_comes(scene, phone):
    scene.send("r1", "ann")
    scene.push()
    scene.look_again()
    scene.send_due()
    assert len(scene.asked()) == 1


def test_who_is_no_member_any_more_is_not_told(scene, phone):
    scene.send("r1", "ann")
    scene.look()
    members = scene.rooms.members("r1")
    scene.rooms.change_members("r1", lambda _: {k: v for k, v in members.items() if k != "bob"})
    scene.send_due()
    assert (scene.asked(), scene.waiting()) == ([], 0)


@pytest.mark.parametrize("kind", [FCM, DeviceKind.APNS])
def test_only_devices_with_a_provider_have_jobs(scene, kind):
    scene.enroll("bob", kind=kind)
    scene.send("r1", "ann")
    assert scene.look().made == (1 if kind is FCM else 0)


def test_all_devices_of_a_user_are_told(scene, phone):
    tablet = scene.enroll("bob", "tablet")
    browser = scene.enroll("bob", "browser", DeviceKind.WEBPUSH)
    scene.send("r1", "ann")
    scene.push()
    assert [len(scene.shown(each)) for each in (phone, tablet, browser)] == [1, 1, 1]


# choices


def test_a_muted_room_tells_nothing(scene, phone):
    scene.choices.change_room("bob", "r1", RoomChoice(mode=Mode.NONE))
    scene.send("r1", "ann", metadata={"mentions": ["bob"]})
    scene.push()
    assert scene.waiting() == 0
    assert scene.asked() == []


def test_a_choice_made_meanwhile_counts(scene, phone):
    scene.send("r1", "ann")
    scene.look()
    scene.choices.change("bob", mode=Mode.NONE)
    scene.send_due()
    assert (scene.asked(), scene.waiting()) == ([], 0)


def test_who_wants_mentions_alone_is_told_of_the_newest_that_names_them(scene, phone):
    scene.choices.change("bob", mode=Mode.MENTIONS)
    scene.send("r1", "ann", "nothing for bob")
    scene.push()
    assert scene.asked() == []
    scene.send("r1", "ann", "for you", metadata={"mentions": ["bob"]})
    scene.send("r1", "ann", "nothing again")
    scene.push()
    assert [(each.seq, each.body) for each in scene.shown(phone)] == [(2, "for you\n+2 more")]


def test_a_direct_room_counts_as_a_mention(scene, phone):
    room, _ = scene.rooms.create(RoomType.DIRECT, "ann", ["bob"], room_id="", name=None)
    scene.choices.change("bob", mode=Mode.MENTIONS)
    scene.send(room.id, "ann", sender_name="Ann")
    scene.push()
    assert [each.title for each in scene.shown(phone)] == ["Ann"]


# what is told


def test_several_messages_of_a_room_are_one_notification(scene, phone):
    for text in ("one", "two", "three"):
        scene.send("r1", "ann", text)
    scene.push()
    scene.send("r1", "cleo", "four")
    scene.push()
    assert [each.body for each in scene.shown(phone)] == ["four\n+3 more"]
    assert [notice.seq for _, notice in scene.asked()] == [3, 4]
    assert len({notice.collapse for _, notice in scene.asked()}) == 1


def test_rooms_have_notifications_of_their_own(scene, phone):
    scene.make("r2", ("ann", "bob"))
    scene.send("r1", "ann")
    scene.send("r2", "ann")
    scene.push()
    assert sorted(each.room_id for each in scene.shown(phone)) == ["r1", "r2"]
    assert {each.unread for each in scene.shown(phone)} == {2}


def test_a_deleted_message_is_not_told_and_the_one_before_it_is(scene, phone):
    scene.send("r1", "ann", "stays")
    scene.send("r1", "ann", "goes")
    scene.look()
    tombstone(scene, "r1", 2)
    scene.send_due()
    assert [(each.seq, each.body) for each in scene.shown(phone)] == [(1, "stays\n+1 more")]


def test_nothing_is_told_when_all_of_it_is_deleted(scene, phone):
    scene.send("r1", "ann")
    scene.look()
    tombstone(scene, "r1", 1)
    scene.send_due()
    assert (scene.asked(), scene.waiting(), scene.counted("push_skipped")) == ([], 0, 1)


@pytest.mark.parametrize(("content", "told"), [("sender", ("Ann", "New message")), ("none", ("New message", ""))])
def test_contents_are_left_out_when_the_setting_says_so(scene, phone, content, told):
    scene.content = content
    scene.send("r1", "ann", "secret", sender_name="Ann")
    scene.push()
    assert [(each.title, each.body) for each in scene.shown(phone)] == [told]


# costs


def test_a_large_room_costs_no_store_reads_for_those_without_devices(scene, phone):
    crowd = [f"u{number}" for number in range(3000)]
    scene.make("big", ("ann", "bob", *crowd))
    scene.send("big", "ann")
    scene.push()  # who has devices is known now
    scene.send("big", "ann")
    scene.drain()
    before = scene.store.round_trips
    assert scene.looking().run().made == 1
    assert scene.store.round_trips - before < 10


def test_nothing_is_noted_when_no_provider_is_configured(scene, phone):
    super(PushScene, scene).drain()
    scene.send("r1", "ann")
    super(PushScene, scene).drain()
    assert scene.client.keys("chat:push:*:{news}") == []


def tombstone(scene, room_id, seq):
    document = scene.store.get(Kind.MESSAGE, message_key(room_id, seq))
    members = {"created_at": "", **json.loads(document.body)}
    body = deleted(json.dumps(members).encode(), "2026-01-01T00:00:00Z")
    scene.store.replace(Kind.MESSAGE, document.key, body, document.cas)
