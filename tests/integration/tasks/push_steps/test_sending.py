"""What becomes of a notification that waits, when it is read elsewhere and with each answer: on a real Valkey."""

from __future__ import annotations

import contextlib
import threading

import pytest

from chat.broker import keys
from chat.errors import StoreUnavailable
from chat.model.device import DeviceKind
from chat.model.push import LastResult
from chat.push.base import Delivered, Gone, Later, NoticeKind, Paused, Refused
from tests.support.pushing import FCM

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


def test_a_notification_whose_answer_was_lost_is_cleared_when_its_message_is_read(scene, phone):
    deliver = scene.providers[FCM].decide
    scene.policy = type(scene.policy)(least_s=30)
    scene.providers[FCM].decide = lambda *_: Later("closed")
    scene.send("r1", "ann")
    scene.push()
    scene.providers[FCM].decide = deliver
    scene.mark("r1", "bob", 1)
    scene.store_seen()
    scene.send_due()
    assert [notice.kind for _, notice in scene.asked()] == [NoticeKind.MESSAGE, NoticeKind.CLEAR]
    assert scene.waiting() == 0


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


def test_one_push_finds_out_whether_a_web_push_service_is_back(scene):
    web, all_at_once = DeviceKind.WEBPUSH, threading.Barrier(2)
    for number in range(4):
        scene.devices.register("bob", web, f"https://bad.test/{number}")
    scene.policy = type(scene.policy)(least_s=30)

    def decide(*_):
        with contextlib.suppress(threading.BrokenBarrierError):
            all_at_once.wait(0.2)  # a second one that is under way meanwhile would be asked too
        return Later("connect")

    scene.providers[web].decide = decide
    scene.circuits.pause("webpush@bad.test", "connect", 60)
    scene.client.hset(keys.push_circuit("webpush@bad.test"), "until", 1)
    scene.send("r1", "ann")
    scene.push()
    assert (len(scene.asked(web)), scene.waiting()) == (1, 4)
    scene.providers[web].decide = lambda *_: answered()
    scene.client.hset(keys.push_circuit("webpush@bad.test"), "until", 1)
    scene.make_due(web)
    scene.send_due(web)
    assert (len(scene.asked(web)), scene.waiting()) == (5, 0)


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
