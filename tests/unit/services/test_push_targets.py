"""What may be registered, and which field is named when it may not."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chat.errors import InvalidRequest
from chat.model.device import DeviceKind
from chat.services.push_targets import Target, token_target, webpush_target

ENDPOINT = "https://push.example/send/abc"
POINT = (
    ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
)
SECRET = bytes(range(240, 256))


def text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


P256DH, AUTH = text(POINT), text(SECRET)


def target(endpoint=ENDPOINT, p256dh=P256DH, auth=AUTH, fault=None) -> Target:
    return webpush_target(endpoint, p256dh, auth, lambda _: fault)


@pytest.mark.parametrize("code", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_subscription_is_taken_in_either_alphabet(code):
    wanted = Target(DeviceKind.WEBPUSH, ENDPOINT, text(POINT), text(SECRET))
    assert target(p256dh=code(POINT).decode(), auth=code(SECRET).decode()) == wanted
    assert target() == wanted


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"endpoint": None}, "endpoint"),
        ({"endpoint": ""}, "endpoint"),
        ({"endpoint": "https://push.example/" + "x" * 2048}, "endpoint"),
        ({"fault": "must begin with https://"}, "endpoint"),
        ({"p256dh": None}, "keys.p256dh"),
        ({"p256dh": text(POINT[:-1])}, "keys.p256dh"),
        ({"p256dh": text(POINT[:-1] + bytes([POINT[-1] ^ 1]))}, "keys.p256dh"),
        ({"p256dh": text(b"\2" + POINT[1:])}, "keys.p256dh"),
        ({"p256dh": text(b"\4" + b"\xff" * 64)}, "keys.p256dh"),
        ({"p256dh": "not base64!"}, "keys.p256dh"),
        ({"p256dh": "é" * 88}, "keys.p256dh"),
        ({"auth": None}, "keys.auth"),
        ({"auth": text(SECRET + b"x")}, "keys.auth"),
        ({"auth": "a"}, "keys.auth"),
    ],
)
def test_the_field_is_named_when_a_subscription_is_none(given, field):
    with pytest.raises(InvalidRequest) as refused:
        target(**given)
    assert refused.value.field == field
    assert refused.value.message.startswith(field)


def test_the_fault_of_an_endpoint_is_told():
    with pytest.raises(InvalidRequest, match=r"endpoint must begin with https://"):
        target(fault="must begin with https://")


def test_a_token_is_taken_and_one_of_apple_in_one_spelling():
    assert token_target(DeviceKind.FCM, "dGVzdA:APA91b-_x") == Target(DeviceKind.FCM, "dGVzdA:APA91b-_x")
    assert token_target(DeviceKind.APNS, "AB12" * 16) == Target(DeviceKind.APNS, "ab12" * 16)


@pytest.mark.parametrize(
    ("kind", "token"),
    [
        (DeviceKind.FCM, None),
        (DeviceKind.FCM, ""),
        (DeviceKind.FCM, "x" * 4097),
        (DeviceKind.FCM, "a b"),
        (DeviceKind.FCM, "a\n"),
        (DeviceKind.FCM, "é"),
        (DeviceKind.APNS, "../3/device"),
        (DeviceKind.APNS, "abc"),
        (DeviceKind.APNS, "xyz0"),
    ],
)
def test_the_field_is_named_when_a_token_is_none(kind, token):
    with pytest.raises(InvalidRequest) as refused:
        token_target(kind, token)
    assert refused.value.field == "token"
