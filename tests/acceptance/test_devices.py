"""Devices, choices and dead letters as clients of a running chat see them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.chat_system import LoneServer
from tests.support.issuer import SECRET, SecretIssuer
from tests.support.subscriptions import subscription
from tests.support.valkey import ValkeyProcess

KEY = {"PUSH_VAPID_KEY": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}  # the number 1
ITS_PUBLIC_HALF = (
    "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"  # G of P-256
)
ISSUED = SecretIssuer()


@pytest.fixture(scope="module")
def server() -> Iterator[LoneServer]:
    """A server in `jwt` mode, without workers."""
    with (
        ValkeyProcess() as valkey,
        LoneServer(valkey.url, {"AUTH_MODE": "jwt", "AUTH_SECRET": SECRET} | KEY) as server,
    ):
        yield server


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return f"u-{abs(hash(request.node.nodeid)):x}"


def test_a_device_lives_from_its_registration_to_its_removal(server: LoneServer, name: str) -> None:
    token, admin = ISSUED.token(sub=name), ISSUED.token(sub="root", admin=True)
    made = server.post("/api/v1/devices", subscription(), token)
    assert (made.status_code, made.json()["kind"], made.json()["last_result"]) == (201, "webpush", None)
    phone = server.post("/api/v1/devices", {"kind": "apns", "token": "AB12" * 16}, token).json()
    both = {"devices": [made.json(), phone]}
    assert server.get("/api/v1/devices", token).json() == both
    assert server.get(f"/api/v1/admin/users/{name}/devices", admin).json() == both
    assert server.get(f"/api/v1/admin/users/{name}/devices", token).status_code == 403
    path = f"/api/v1/devices/{phone['id']}"
    assert server.request("DELETE", path, token=admin).status_code == 404
    assert [server.request("DELETE", path, token=token).status_code for _ in range(2)] == [204, 404]
    assert server.get("/api/v1/devices", token).json() == {"devices": [made.json()]}


def test_a_phone_that_changes_accounts_changes_its_owner(server: LoneServer, name: str) -> None:
    ann, bob = ISSUED.token(sub=f"ann-{name}"), ISSUED.token(sub=f"bob-{name}")
    body = {"kind": "fcm", "token": f"phone-{name}"}
    first = server.post("/api/v1/devices", body, ann).json()
    assert server.post("/api/v1/devices", body, bob).json()["id"] == first["id"]
    assert server.get("/api/v1/devices", ann).json() == {"devices": []}
    assert [each["id"] for each in server.get("/api/v1/devices", bob).json()["devices"]] == [first["id"]]


@pytest.mark.parametrize(
    ("endpoint", "field"),
    [("http://fcm.googleapis.com/x", "endpoint"), ("https:///x", "endpoint"), ("https://[x", "endpoint")],
)
def test_an_endpoint_that_is_none_is_refused(server: LoneServer, name: str, endpoint: str, field: str) -> None:
    refused = server.post("/api/v1/devices", subscription(endpoint=endpoint), ISSUED.token(sub=name))
    assert (refused.status_code, refused.json()["field"]) == (400, field)
    assert "https://" in refused.json()["detail"]


def test_a_browser_is_told_the_key_to_subscribe_with(server: LoneServer, name: str) -> None:
    assert server.get("/api/v1/devices/webpush-key", ISSUED.token(sub=name)).json() == {"key": ITS_PUBLIC_HALF}


def test_a_room_is_muted_by_its_members_only(server: LoneServer, name: str) -> None:
    ann, eve = ISSUED.token(sub=name), ISSUED.token(sub=f"eve-{name}")
    room = server.post("/api/v1/rooms", {"type": "group", "name": "Den"}, ann).json()["id"]
    path = f"/api/v1/rooms/{room}/push"
    muted = {"mode": None, "muted_until": "2100-01-01T00:00:00.000Z"}
    assert server.request("PUT", path, {"mutedUntil": "2100-01-01T00:00:00Z"}, ann).json() == muted
    assert server.get(path, ann).json() == muted
    assert [server.request(each, path, {}, eve).status_code for each in ("GET", "PUT")] == [403, 403]
    hours = {"from": "22:00", "to": "07:00", "tz": "Pacific/Auckland"}
    assert server.request("PATCH", "/api/v1/me/push", {"quiet_hours": hours}, ann).json()["quiet_hours"] == hours
    assert server.get("/api/v1/me/push", eve).json() == {"mode": "all", "quiet_hours": None}
