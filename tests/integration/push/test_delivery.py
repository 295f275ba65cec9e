"""What a device reads of a notice, with every provider."""

import json
import time
from dataclasses import replace

import pytest

from chat.model.device import DeviceKind
from chat.push.base import Delivered, Gone, NoticeKind, Refused
from tests.support.push.apns_server import TOPIC
from tests.support.push.notices import notice

TEXT = {"title", "body"}


@pytest.mark.parametrize("kind", DeviceKind)
def test_a_device_shows_what_the_notice_says(push, providers, kind):
    target, told = push.target(kind), notice()
    assert providers[kind].push(target.device(), told) == Delivered()
    (taken,) = push[kind].taken_by(target.address)
    said = {
        "kind": "message",
        "roomId": "room456",
        "messageId": "m1",
        "seq": 7,
        "unread": 3,
        "title": "Ann",
        "body": told.body,
    }
    assert taken.notice.items() >= said.items()
    assert taken.collapse == told.collapse


@pytest.mark.parametrize("kind", DeviceKind)
def test_a_device_shows_one_notification_a_room(push, providers, kind):
    target = push.target(kind)
    other = notice(collapse="other", room_id="other")
    for told in (notice(seq=1), other, notice(seq=2)):
        providers[kind].push(target.device(), told)
    screen = push[kind].screens[target.address]
    assert {key: shown["seq"] for key, shown in screen.items()} == {"other": 7, notice().collapse: 2}


@pytest.mark.parametrize("kind", DeviceKind)
def test_a_notification_goes_when_it_is_cleared(push, providers, kind):
    target = push.target(kind)
    providers[kind].push(target.device(), notice())
    assert providers[kind].push(target.device(), notice(kind=NoticeKind.CLEAR)) == Delivered()
    clear = push[kind].taken_by(target.address)[-1]
    assert not clear.notice.keys() & TEXT
    assert clear.notice["kind"] == "clear"
    assert push[kind].screens[target.address] == {}


@pytest.mark.parametrize("kind", DeviceKind)
def test_a_very_long_message_arrives_shortened(push, providers, kind):
    target = push.target(kind)
    assert providers[kind].push(target.device(), notice(body="€" * 16_384)) == Delivered()
    body = push[kind].taken_by(target.address)[0].notice["body"]
    assert body.endswith("€…")
    assert len(body) > 800


@pytest.mark.parametrize("kind", DeviceKind)
def test_a_device_is_gone_when_its_provider_does_not_know_it(push, providers, kind):
    target = push.target(kind)
    push.webpush.subscriptions.clear()
    push.fcm.devices.clear()
    push.apns.devices.clear()
    assert isinstance(providers[kind].push(target.device(), notice()), Gone)


def test_the_headers_of_web_push_say_how_long_and_how_urgent(push, providers):
    target, told = push.target(DeviceKind.WEBPUSH), notice(ttl_s=77)
    providers[DeviceKind.WEBPUSH].push(target.device(), told)
    headers = push.webpush.seen[0].headers
    assert (headers["ttl"], headers["urgency"], headers["topic"]) == ("77", "high", told.collapse)


def test_the_headers_of_apns_name_notice_app_and_end(push, providers):
    target, told = push.target(DeviceKind.APNS), notice(ttl_s=77)
    providers[DeviceKind.APNS].push(target.device(), told)
    providers[DeviceKind.APNS].push(target.device(), notice(kind=NoticeKind.CLEAR, ttl_s=0))
    first, second = (seen.headers for seen in push.apns.seen)
    assert (first["apns-id"], first["apns-topic"], first["apns-collapse-id"]) == (told.id, TOPIC, told.collapse)
    assert abs(int(first["apns-expiration"]) - time.time() - 77) < 60
    assert (first["apns-push-type"], first["apns-priority"]) == ("alert", "10")
    assert (second["apns-push-type"], second["apns-priority"]) == ("background", "5")
    assert second["apns-expiration"] == "0"


def test_the_message_of_fcm_collapses_on_every_platform(push, providers):
    target, told = push.target(DeviceKind.FCM), notice(ttl_s=77)
    providers[DeviceKind.FCM].push(target.device(), told)
    message = json.loads(push.fcm.seen[0].body)["message"]
    assert message["android"]["ttl"] == "77s"
    assert message["android"]["notification"]["tag"] == message["android"]["collapse_key"] == told.collapse
    assert message["apns"]["headers"]["apns-collapse-id"] == told.collapse
    assert message["webpush"]["headers"]["Topic"] == told.collapse


def test_a_try_is_the_same_notice_as_the_one_before(push, providers):
    target, told = push.target(DeviceKind.APNS), notice()
    for _ in range(2):
        providers[DeviceKind.APNS].push(target.device(), told)
    first, second = push.apns.seen
    assert first.headers["apns-id"] == second.headers["apns-id"]
    assert len(push.apns.screens[target.address]) == 1


@pytest.mark.parametrize(
    ("p256dh", "auth"), [(None, None), ("AAAA", "AAAA"), ("B" + "A" * 86, "A" * 22), ("no base64", "!")]
)
def test_a_notice_is_refused_when_the_keys_are_none(push, providers, p256dh, auth):
    device = replace(push.target(DeviceKind.WEBPUSH).device(), p256dh=p256dh, auth=auth)
    assert isinstance(providers[DeviceKind.WEBPUSH].push(device, notice()), Refused)
    assert push.webpush.seen == []


@pytest.mark.parametrize("address", ["", "no hex", "../../admin", "a" * 4000, "ab\r\ncd"])
def test_a_device_is_gone_when_its_token_can_be_none(push, providers, address):
    device = replace(push.target(DeviceKind.APNS).device(), address=address)
    assert isinstance(providers[DeviceKind.APNS].push(device, notice()), Gone)
    assert push.apns.seen == []
