"""`/api/v1/devices`: what is registered, and what its owner and admins are told of it."""

from __future__ import annotations

import pytest
from flask import Flask, g

from chat.errors import NoAnswer
from chat.gateway.identity import Identity
from chat.gateway.rest import devices as rest_devices
from chat.gateway.rest import problems
from chat.services.devices import Devices
from chat.store.sqlite import SqliteStore
from tests.support.subscriptions import ENDPOINT, subscription

LAST = {"at": "2026-01-31T12:00:00.000Z", "result": "delivered", "reason": None}


class Desk:
    """The routes over a real store; `results`, `tested` and `fault` are what the other parts say."""

    def __init__(self, store) -> None:
        self.results: dict[str, object] = {}
        self.tested: list[str] = []
        self.fault: str | None = None
        self.is_answered = True
        self.app = Flask(__name__, static_folder=None)
        problems.install(self.app)
        push = rest_devices.Push(lambda _: self.fault, "the-key", lambda ids: self.results, self._test)
        self.app.register_blueprint(rest_devices.blueprint(Devices(store), push))
        self.who: Identity | None = None
        self.app.before_request(self._identify)

    def _identify(self) -> None:
        g.identity = self.who

    def _test(self, user_id):
        if not self.is_answered:
            raise NoAnswer("no worker answered")
        self.tested.append(user_id)
        return [{"id": "x", "kind": "fcm", "result": "delivered", "reason": None}]

    def ask(self, method, path="", body=None, user="ann", is_admin=False):
        self.who = Identity(user, user, is_admin=is_admin) if user else None
        whole = path if path.startswith("/api") else f"/api/v1/devices{path}"
        answer = self.app.test_client().open(whole, method=method, json=body)
        return answer.status_code, answer.get_json(force=True) if answer.data else None


@pytest.fixture
def desk(tmp_path):
    store = SqliteStore(tmp_path / "chat.db")
    yield Desk(store)
    store.close()


@pytest.mark.parametrize(
    "body",
    [
        subscription(),
        subscription() | {"expirationTime": None},  # as a browser's toJSON() has it
        {"kind": "fcm", "token": "dGVzdA:APA91b"},
        {"kind": "apns", "token": "ab12" * 16},
    ],
)
def test_a_device_is_registered_once_however_often_it_says_so(desk, body):
    status, told = desk.ask("POST", body=body)
    assert (status, told["kind"], told["last_result"]) == (201, body["kind"], None)
    assert set(told) == {"id", "kind", "created_at", "last_result"}
    assert desk.ask("POST", body=body) == (201, told)
    assert desk.ask("GET") == (200, {"devices": [told]})
    assert desk.ask("GET", user="bob") == (200, {"devices": []})


def test_the_last_result_is_told_to_its_owner_and_to_admins(desk):
    made = desk.ask("POST", body={"kind": "fcm", "token": "t"})[1]
    desk.results = {made["id"]: LAST, "another": None}
    assert desk.ask("GET")[1]["devices"] == [{**made, "last_result": LAST}]
    path = "/api/v1/admin/users/ann/devices"
    assert desk.ask("GET", path, user="root", is_admin=True) == (200, {"devices": [{**made, "last_result": LAST}]})
    assert desk.ask("GET", path, user="ann")[0] == 403
    assert desk.ask("GET", path, user=None)[0] == 401
    assert desk.ask("GET", "/api/v1/admin/users/b@d/devices", user="root", is_admin=True)[1]["field"] == "userId"


def test_one_removes_ones_own(desk):
    made = desk.ask("POST", body={"kind": "fcm", "token": "t"})[1]
    assert desk.ask("DELETE", f"/{made['id']}", user="bob")[1]["title"] == "device-not-found"
    assert desk.ask("DELETE", f"/{made['id']}") == (204, None)
    assert desk.ask("DELETE", f"/{made['id']}")[0] == 404
    assert desk.ask("DELETE", "/b@d")[1]["field"] == "deviceId"
    assert desk.ask("GET")[1] == {"devices": []}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, "body"),
        ({}, "kind"),
        ({"kind": "pigeon"}, "kind"),
        ({"kind": "fcm"}, "token"),
        ({"kind": "apns", "token": "zz"}, "token"),
        ({"kind": "apns", "token": "ab"}, "token"),
        ({"kind": "apns", "token": "ab" * 201}, "token"),
        ({"kind": "fcm", "token": 7}, "token"),
        (subscription(endpoint=None), "endpoint"),
        (subscription(keys=None), "keys.p256dh"),
        (subscription(keys={"p256dh": "AAAA", "auth": "AAAA"}), "keys.p256dh"),
        (subscription(keys=subscription()["keys"] | {"auth": "AAAA"}), "keys.auth"),
        (subscription(keys=[]), "keys"),
    ],
)
def test_the_field_is_named_when_a_device_is_none(desk, body, field):
    status, problem = desk.ask("POST", body=body)
    assert (status, problem["field"]) == (400, field)
    assert desk.ask("GET")[1] == {"devices": []}


def test_the_fault_of_an_endpoint_is_told(desk):
    desk.fault = "is on no host of PUSH_WEBPUSH_HOSTS"
    status, problem = desk.ask("POST", body=subscription(endpoint=ENDPOINT))
    assert (status, problem["field"]) == (400, "endpoint")
    assert problem["detail"] == "endpoint is on no host of PUSH_WEBPUSH_HOSTS"


def test_the_key_for_browsers_is_told(desk):
    assert desk.ask("GET", "/webpush-key") == (200, {"key": "the-key"})


def test_a_test_tells_what_each_provider_said(desk):
    assert desk.ask("POST", "/test") == (200, {"results": []})  # no device, nobody is asked
    desk.ask("POST", body={"kind": "fcm", "token": "t"})
    wanted = {"results": [{"id": "x", "kind": "fcm", "result": "delivered", "reason": None}]}
    assert desk.ask("POST", "/test") == (200, wanted)
    assert desk.tested == ["ann"]
    desk.is_answered = False
    status, problem = desk.ask("POST", "/test")
    assert (status, problem["title"]) == (504, "no-answer")


def test_somebody_who_tests_all_the_time_is_told_to_wait(desk):
    desk.ask("POST", body={"kind": "fcm", "token": "t"})
    assert [desk.ask("POST", "/test")[0] for _ in range(6)] == [*[200] * 5, 429]
    assert len(desk.tested) == 5
    desk.ask("POST", body={"kind": "fcm", "token": "u"}, user="bob")
    assert desk.ask("POST", "/test", user="bob")[0] == 200


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("POST", ""), ("DELETE", "/x"), ("GET", "/webpush-key"), ("POST", "/test")]
)
def test_nobody_is_told_or_taken_without_a_token(desk, method, path):
    assert desk.ask(method, path, subscription() if method == "POST" else None, user=None)[0] == 401
