"""Who is notified of what, and what becomes of it: every step on a real Valkey and a real store."""

from __future__ import annotations

import json

import pytest
import redis

from chat.broker import keys
from chat.errors import StoreUnavailable
from chat.model.device import DeviceKind
from chat.model.push import LastResult
from chat.model.room import RoomType
from chat.push.base import Gone, Later, NoticeKind, Paused, Refused
from chat.services.push_choices import Mode, RoomChoice
from tests.support.pushing import FCM, PushScene


@pytest.fixture
def scene(redis_url, tmp_path):
    with redis.Redis.from_url(redis_url) as client:
        scene = PushScene(client, tmp_path)
        scene.make("r1", ("ann", "bob", "cleo"))
        yield scene
        scene.close()


@pytest.fixture
def phone(scene):
    return scene.enroll("bob")


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


# read elsewhere


def test_a_job_goes_when_its_message_is_read(scene, phone):
    scene.send("r1", "ann")
    scene.look()
    scene.mark("r1", "bob", 1)
    scene.store_seen()
    assert scene.waiting() == 0


def test_a_notification_is_cleared_when_its_message_is_read(scene, phone):
    scene.send("r1", "ann")
    scene.push()
    scene.mark("r1", "bob", 1)
    scene.store_seen()
    scene.send_due()
    assert scene.shown(phone) == []
    assert [notice.kind for _, notice in scene.asked()] == [NoticeKind.MESSAGE, NoticeKind.CLEAR]
    assert scene.asked()[1][1].unread == 0


def test_a_job_that_was_not_taken_back_is_dropped_when_its_message_is_read(scene, phone):
    scene.send("r1", "ann")
    scene.look()
    scene.mark("r1", "bob", 1)  # and nobody has heard of it yet
    scene.send_due()
    assert (scene.asked(), scene.waiting()) == ([], 0)


def test_a_notification_is_cleared_when_its_reader_writes_in_the_room(scene, phone):
    scene.send("r1", "ann")
    scene.push()
    scene.appear("bob")
    scene.send("r1", "bob")
    scene.push()
    assert scene.shown(phone) == []


# what providers answer


def answers(scene, *results):
    left = list(results)
    scene.providers[FCM].decide = lambda *_: left.pop(0) if len(left) > 1 else left[0]


def letters(scene):
    return scene.client.xlen(keys.push_dead(FCM))


def test_a_device_is_dropped_at_the_first_try_when_it_is_gone(scene, phone):
    answers(scene, Gone("404 UNREGISTERED"))
    scene.send("r1", "ann")
    scene.push()
    assert len(scene.asked()) == 1
    assert scene.devices.of("bob") == []
    assert (scene.waiting(), letters(scene), scene.counted("push_gone")) == (0, 0, 1)
    assert scene.result(phone) == LastResult("", "gone", "404 UNREGISTERED")


def test_a_device_stays_when_it_was_registered_again_meanwhile(scene, phone):
    def decide(device, _notice):
        scene.refreshed(device)
        return Gone("410")

    scene.providers[FCM].decide = decide
    scene.send("r1", "ann")
    scene.push()
    assert [each.id for each in scene.devices.of("bob")] == [phone.id]


def test_a_letter_is_kept_when_a_notice_is_refused(scene, phone):
    answers(scene, Refused("413"))
    scene.send("r1", "ann")
    scene.push()
    scene.look_again()
    scene.send_due()
    assert (len(scene.asked()), scene.waiting(), letters(scene)) == (1, 0, 1)
    assert scene.devices.of("bob")


def test_a_notice_is_tried_again_when_the_provider_is_busy(scene, phone):
    answers(scene, Later("429", 30), Later("503 UNAVAILABLE"), scene.providers[FCM].decide(phone, None))
    scene.send("r1", "ann")
    scene.push()
    assert scene.jobs.next_due(FCM) == pytest.approx(30, abs=2)  # as the provider asked
    for _ in range(2):
        scene.make_due()
        scene.send_due()
    scene.make_due()
    scene.send_due()
    assert [each.seq for each in scene.shown(phone)] == [1]
    assert len({notice.id for _, notice in scene.asked()}) == 1
    assert scene.counted("push_retried") == 2


def test_a_letter_is_kept_when_six_tries_have_failed(scene, phone):
    answers(scene, Later("429", 0.001))
    scene.send("r1", "ann")
    scene.push()
    while scene.waiting():
        scene.make_due()
        scene.send_due()
    assert (len(scene.asked()), letters(scene)) == (6, 1)
    assert scene.result(phone) == LastResult("", "later", "429")


def test_a_provider_is_left_alone_when_an_operator_is_needed(scene, phone, caplog):
    tablet = scene.enroll("bob", "tablet")
    answers(scene, Paused("401"))
    scene.send("r1", "ann")
    scene.push()
    asked = len(scene.asked())
    assert asked <= 2  # both may have been under way
    for _ in range(8):
        scene.make_due()
        scene.send_due()
    assert (len(scene.asked()), scene.waiting(), letters(scene)) == (asked, 2, 0)
    assert caplog.text.count("push-provider-stopped") == 1
    scene.client.hset(keys.push_circuit(FCM), "until", 1)
    scene.providers[FCM].decide = lambda *_: answered()
    scene.make_due()
    scene.send_due()
    assert [len(scene.shown(each)) for each in (phone, tablet)] == [1, 1]
    assert scene.circuits.of(FCM).open_until_ms == 0


def answered():
    from chat.push.base import Delivered

    return Delivered()


def test_a_provider_that_is_out_of_reach_is_left_alone_after_some_failures(scene):
    for number in range(6):
        scene.enroll("bob", f"d{number}")
    scene.policy = type(scene.policy)(least_s=30)
    answers(scene, Later("connect"))
    scene.send("r1", "ann")
    scene.push()
    assert 3 <= len(scene.asked()) <= 6
    assert scene.waiting() == 6
    assert scene.circuits.of(FCM).open_until_ms > 0
    asked = len(scene.asked())
    scene.make_due()
    scene.send_due()
    assert len(scene.asked()) == asked
    scene.client.hset(keys.push_circuit(FCM), "until", 1)
    scene.make_due()
    scene.send_due()  # one finds out
    assert len(scene.asked()) == asked + 1


def test_failures_that_are_not_in_a_row_leave_the_circuit_closed(scene, phone):
    good = answered()
    for number in range(8):
        answers(scene, Later("500"), good)
        scene.send("r1", "ann", f"m{number}")
        scene.push()
        scene.make_due()
        scene.send_due()
    assert scene.circuits.of(FCM).open_until_ms == 0
    assert len(scene.asked()) == 16


def test_one_web_push_service_goes_on_when_another_is_out_of_reach(scene):
    def enroll(host, number):
        return scene.devices.register("bob", DeviceKind.WEBPUSH, f"https://{host}/{number}")

    bad, good = [enroll("bad.test", n) for n in range(4)], [enroll("good.test", n) for n in range(4)]
    ids = {each.id for each in bad}
    scene.policy = type(scene.policy)(least_s=30)
    scene.providers[DeviceKind.WEBPUSH].decide = lambda device, _: (
        Later("connect") if device.id in ids else answered()
    )
    scene.send("r1", "ann")
    scene.push()
    scene.make_due(DeviceKind.WEBPUSH)
    scene.send_due(DeviceKind.WEBPUSH)
    assert [len(scene.shown(each)) for each in good] == [1] * 4
    assert scene.circuits.of("webpush@bad.test").open_until_ms > 0
    assert scene.waiting() == 4


def test_one_provider_goes_on_when_another_fails(scene, phone):
    browser = scene.enroll("bob", "browser", DeviceKind.WEBPUSH)
    answers(scene, Paused("401"))
    scene.send("r1", "ann")
    scene.push()
    assert len(scene.shown(browser)) == 1


def test_a_fault_of_an_adapter_is_a_failed_try(scene, phone, caplog):
    def decide(*_):
        raise RuntimeError("a bug")

    scene.providers[FCM].decide = decide
    scene.send("r1", "ann")
    scene.push()
    assert scene.result(phone) == LastResult("", "later", "fault RuntimeError")
    assert "push-provider-broken" in caplog.text


def test_an_outage_of_the_store_counts_as_no_try(scene, phone, monkeypatch):
    scene.send("r1", "ann")
    scene.look()
    with monkeypatch.context() as patched:
        patched.setattr(scene.devices, "of_many", raise_outage)
        for _ in range(8):
            scene.make_due()
            with pytest.raises(StoreUnavailable):
                scene.send_due()
    scene.make_due()
    answers(scene, Later("429", 60))
    scene.send_due()
    assert (len(scene.asked()), letters(scene), scene.waiting()) == (1, 0, 1)


def raise_outage(_user_ids):
    raise StoreUnavailable("read")


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
    from chat.model.amendments import deleted
    from chat.model.message import message_key
    from chat.store.base import Kind

    document = scene.store.get(Kind.MESSAGE, message_key(room_id, seq))
    members = {"created_at": "", **json.loads(document.body)}
    body = deleted(json.dumps(members).encode(), "2026-01-01T00:00:00Z")
    scene.store.replace(Kind.MESSAGE, document.key, body, document.cas)
