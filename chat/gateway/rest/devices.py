"""`/api/v1/devices`: where one's notifications go, and what became of the last one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response

from chat.errors import DeviceNotFound
from chat.gateway.rate import UserRate
from chat.gateway.rest.admins import require_admin
from chat.gateway.rest.bodies import answer, checked_id, no_content, read_body, who
from chat.gateway.rest.operations import Operation
from chat.model.device import Device, DeviceKind
from chat.protocol.shapes import Time
from chat.services.devices import Devices
from chat.services.push_targets import EndpointFault, Target, token_target, webpush_target

DEVICES = "/api/v1/devices"
TESTS_PER_S, TESTS_BURST_S = (
    0.2,
    25.0,
)  # of one user: five at once, then one in 5 s; providers mind, and a worker waits


class Keys(msgspec.Struct, frozen=True):
    """The keys of a browser's subscription, in base64url."""

    p256dh: Annotated[str, msgspec.Meta(description="65 bytes: a public key on P-256")] | None = None
    auth: Annotated[str, msgspec.Meta(description="16 bytes")] | None = None


class NewDevice(msgspec.Struct, frozen=True):
    """A push target: `endpoint` and `keys` of a browser's subscription (webpush), or a token (fcm, apns)."""

    kind: DeviceKind
    endpoint: str | None = None
    keys: Keys | None = None
    token: str | None = None


class LastResult(msgspec.Struct, frozen=True):
    """What became of the last notification that was sent there."""

    at: Time
    result: str
    reason: str | None = None


class DeviceTold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device, without what one needs to send to it."""

    id: str
    kind: DeviceKind
    created_at: Time
    last_result: LastResult | None


class DeviceList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The devices of a user, the newest registration last."""

    devices: list[DeviceTold]


class WebPushKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The public key that a browser subscribes with, in base64url; null: this server sends no Web Push."""

    key: str | None


class TestResult(msgspec.Struct, frozen=True):
    """What a provider said of the test notification to a device."""

    id: str
    kind: DeviceKind
    result: str
    reason: str | None = None


class TestResults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What each provider said."""

    results: list[TestResult]


REGISTER = Operation(
    "POST",
    DEVICES,
    "registerDevice",
    "Have notifications sent to a device; the same target again is the same device",
    {201: DeviceTold},
    body=NewDevice,
)
LIST = Operation(
    "GET", DEVICES, "listDevices", "One's devices, and what became of the last notification", {200: DeviceList}
)
REMOVE = Operation(
    "DELETE", f"{DEVICES}/<device_id>", "removeDevice", "Send a device nothing more", {204: None}, refusals=(404,)
)
KEY = Operation(
    "GET", f"{DEVICES}/webpush-key", "showWebPushKey", "What a browser subscribes with", {200: WebPushKey}
)
TEST = Operation(
    "POST",
    f"{DEVICES}/test",
    "testDevices",
    "Send a notification to each of one's devices and wait for what the providers say, 20 s at most",
    {200: TestResults},
    refusals=(504,),
)
OF_USER = Operation(
    "GET",
    "/api/v1/admin/users/<user_id>/devices",
    "listDevicesOfUser",
    "A user's devices and what became of the last notification; needs a token with admin: true",
    {200: DeviceList},
    refusals=(403,),
)


@dataclass(frozen=True, slots=True)
class Push:
    """What of pushing the routes need: how it went, what a browser needs, and a way to try it.

    `last_results(device_ids)` gives those that are known as LastResult has them, `send_test(user_id)` one entry for
    each device as TestResult has it; it raises NoAnswer when no worker answers.
    """

    fault_of_endpoint: EndpointFault
    webpush_key: str | None
    last_results: Callable[[Sequence[str]], Mapping[str, object]]
    send_test: Callable[[str], Sequence[object]]


def blueprint(devices: Devices, push: Push) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("devices", __name__)
    tests = UserRate(TESTS_PER_S, TESTS_BURST_S, noun="tests of devices")

    def told(found: Sequence[Device]) -> list[dict[str, Any]]:
        results = push.last_results([each.id for each in found]) if found else {}
        return [_told(each, results.get(each.id)) for each in found]

    @REGISTER.on(routes)
    def register() -> Response:
        user_id = who("registering a device").user_id
        target = _target(read_body(NewDevice), push.fault_of_endpoint)
        made = devices.register(user_id, target.kind, target.address, target.p256dh, target.auth)
        return answer(told([made])[0], 201)

    @LIST.on(routes)
    def listed() -> Response:
        return answer({"devices": told(devices.of(who("looking at devices").user_id))})

    @REMOVE.on(routes)
    def remove(device_id: str) -> Response:
        user_id = who("removing a device").user_id
        if not devices.remove(user_id, checked_id(device_id, "deviceId")):
            raise DeviceNotFound("you have no such device; GET /api/v1/devices lists them", field="deviceId")
        return no_content()

    @KEY.on(routes)
    def key() -> Response:
        who("subscribing")
        return answer(WebPushKey(push.webpush_key))

    @TEST.on(routes)
    def test() -> Response:
        user_id = who("testing devices").user_id
        if not devices.of(user_id):
            return answer({"results": []})
        tests.take(user_id)
        return answer({"results": push.send_test(user_id)})

    @OF_USER.on(routes)
    def of_user(user_id: str) -> Response:
        require_admin("looking at others' devices")
        return answer({"devices": told(devices.of(checked_id(user_id, "userId")))})

    return routes


def _target(wanted: NewDevice, fault_of_endpoint: EndpointFault) -> Target:
    if wanted.kind is not DeviceKind.WEBPUSH:
        return token_target(wanted.kind, wanted.token)
    keys = wanted.keys or Keys()
    return webpush_target(wanted.endpoint, keys.p256dh, keys.auth, fault_of_endpoint)


def _told(device: Device, last_result: object) -> dict[str, Any]:
    shown = {"id": device.id, "kind": device.kind, "created_at": device.created_at}
    return {**shown, "last_result": last_result}
