"""The served OpenAPI document is one, and what a running server answers is what it says; so are its refusals."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import requests
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.support.answers import checked
from tests.support.chat_system import ChatSystem
from tests.support.wait import eventually

MIB = 1024 * 1024


@pytest.fixture
def document(system: ChatSystem) -> dict[str, Any]:
    """The document as a client gets it."""
    found: dict[str, Any] = system.get("/api/v1/openapi.json").json()
    return found


def calls(system: ChatSystem, room: str) -> Iterator[tuple[str, str, requests.Response]]:
    """Yield the answer to a good request of each operation, with the operation's method and path."""
    token = system.token(f"ann-{room}")
    admin = system.token("root")

    def ask(
        method: str, path: str, body: Any = None, query: str = "", token: str | None = token, **ids: str
    ) -> Any:
        return method, path, system.request(method, path.format(**ids) + query, body, token)

    yield ask("POST", "/api/v1/dev/token", {"userId": "root"}, token=None)
    yield ask("POST", "/api/v1/rooms", {"id": room, "members": ["bob"]})
    yield ask("PUT", "/api/v1/rooms/{room_id}/members/{user_id}", {"role": "admin"}, room_id=room, user_id="cy")
    yield ask("DELETE", "/api/v1/rooms/{room_id}/members/{user_id}", room_id=room, user_id="cy")
    sent = ask("POST", "/api/v1/rooms/{room_id}/messages", {"content": "hi", "tempId": "t1"}, room_id=room)
    yield sent
    ids = {"room_id": room, "message_id": sent[2].json()["id"]}
    eventually(
        lambda: system.request("PATCH", f"/api/v1/messages/{ids['message_id']}", {"content": "ho"}, token).ok
    )
    yield ask("PATCH", "/api/v1/messages/{message_id}", {"content": "hey"}, **ids)
    yield ask("POST", "/api/v1/messages/{message_id}/reactions", {"emoji": "👍"}, **ids)
    yield ask("GET", "/api/v1/messages/{message_id}/edits", **ids)
    yield ask("GET", "/api/v1/rooms/{room_id}/messages", query="?limit=5&before=9", **ids)
    yield ask("POST", "/api/v1/rooms/{room_id}/seen", {"messageId": ids["message_id"]}, **ids)
    yield ask("GET", "/api/v1/rooms/{room_id}/seen", query="?seq=1", **ids)
    yield ask("GET", "/api/v1/messages/{message_id}/seen", **ids)
    yield ask("GET", "/api/v1/messages/{message_id}/replies", query="?after=0&limit=5", **ids)
    yield ask("PUT", "/api/v1/rooms/{room_id}/pins/{message_id}", **ids)
    yield ask("GET", "/api/v1/rooms/{room_id}/pins", **ids)
    yield ask("DELETE", "/api/v1/rooms/{room_id}/pins/{message_id}", **ids)
    yield ask("GET", "/api/v1/rooms/{room_id}/push", **ids)
    yield ask("PUT", "/api/v1/rooms/{room_id}/push", {"mutedUntil": "2100-01-31T12:00:00Z"}, **ids)
    yield ask("GET", "/api/v1/rooms", query="?limit=200")
    yield ask("GET", "/api/v1/rooms/{room_id}", **ids)
    yield ask("PATCH", "/api/v1/rooms/{room_id}", {"name": "Team"}, **ids)
    yield ask("DELETE", "/api/v1/messages/{message_id}", **ids)
    yield ask("DELETE", "/api/v1/rooms/{room_id}", **ids)
    yield ask("GET", "/api/v1/unread")
    yield ask("GET", "/api/v1/presence", query="?userIds=bob,cy")
    yield ask("GET", "/api/v1/me")
    yield ask("PATCH", "/api/v1/me", {"readReceipts": True})
    yield ask("POST", "/api/v1/ws-ticket")
    yield ask("GET", "/api/v1/me/push")
    yield ask("PATCH", "/api/v1/me/push", {"quietHours": {"from": "22:00", "to": "07:00", "tz": "Europe/Berlin"}})
    yield ask("GET", "/api/v1/devices/webpush-key")
    yield ask("POST", "/api/v1/devices/test")  # no device yet: nobody is asked
    device = ask("POST", "/api/v1/devices", {"kind": "fcm", "token": f"phone-{room}"})
    yield device
    yield ask("GET", "/api/v1/devices")
    yield ask("DELETE", "/api/v1/devices/{device_id}", device_id=device[2].json()["id"])
    yield ask("POST", "/api/v1/admin/revocations", {"userId": "nobody"}, token=admin)
    yield ask("GET", "/api/v1/admin/users/{user_id}/devices", token=admin, user_id="nobody")
    yield ask("GET", "/api/v1/admin/dead-letters", query="?limit=5", token=admin)
    yield ask("POST", "/api/v1/admin/dead-letters/{letter_id}/redrive", token=admin, letter_id="message:7:1-0")
    yield ask("DELETE", "/api/v1/admin/dead-letters/{letter_id}", token=admin, letter_id="message:7:1-0")
    for path in ("/api/v1/openapi.json", "/api/v1/asyncapi.json", "/healthz", "/readyz", "/stats", "/metrics"):
        yield ask("GET", path, token=None)


def test_the_document_is_one_when_a_validator_reads_it(document: dict[str, Any]) -> None:
    assert [str(each) for each in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_operation_answers_as_the_document_says(
    system: ChatSystem, room: str, document: dict[str, Any]
) -> None:
    called = set()
    for method, path, response in calls(system, room):
        told = document["paths"][path][method.lower()]["responses"][str(response.status_code)]
        media_type = response.headers.get("Content-Type", "").partition(";")[0]
        content = told.get("content", {})
        assert set(content) >= ({media_type} if response.content else set()), (method, path)
        if media_type.endswith("json"):
            schema = {**content[media_type]["schema"], "components": document["components"]}
            jsonschema.Draft202012Validator(schema).validate(response.json())
        assert response.ok or (path.startswith("/api/v1/admin/"), response.status_code) == (True, 403)
        called.add((method.lower(), path))
    assert called == {(method, path) for path, methods in document["paths"].items() for method in methods}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nowhere", 404),
        ("GET", "/api/v1", 404),
        ("GET", "/api/v1/rooms/", 404),
        ("OPTIONS", "/api/v1/nowhere", 404),
        ("PUT", "/api/v1/rooms", 405),
        ("POST", "/api/v1/openapi.json", 405),
        ("TRACE", "/api/v1/rooms", 405),
    ],
)
def test_what_is_not_there_is_a_problem(system: ChatSystem, method: str, path: str, status: int) -> None:
    answer = system.request(method, path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status
    assert ("GET" in answer.headers.get("Allow", "")) == (status == 405)


def test_the_other_methods_are_told_when_one_asks(system: ChatSystem) -> None:
    answer = system.request("OPTIONS", "/api/v1/rooms")
    assert (answer.status_code, answer.content) == (200, b"")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


@pytest.mark.parametrize(
    ("path", "status"), [("/api/v1/openapi.json", 200), ("/api/v1/me", 200), ("/healthz", 200)]
)
def test_the_head_is_that_of_the_answer_without_it(system: ChatSystem, path: str, status: int) -> None:
    token = system.token("ann")
    head, whole = system.request("HEAD", path, token=token), system.get(path, token)
    assert (head.status_code, head.content) == (status, b"")
    for name in ("Content-Type", "Content-Length"):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"", "application/json"),
        (b"name=Team", "application/x-www-form-urlencoded"),
        (b"<room/>", "application/xml"),
        (b'{"name":', "application/json"),
        (
            b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nx\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
        ),
    ],
)
def test_a_body_that_is_no_json_is_refused_with_a_mend(system: ChatSystem, data: bytes, media_type: str) -> None:
    headers = {"Authorization": f"Bearer {system.token('ann')}", "Content-Type": media_type}
    answer = checked(requests.post(f"{system.url}/api/v1/rooms", data=data, headers=headers, timeout=10))
    assert (answer.status_code, answer.json()["field"]) == (400, "body")
    assert 'send {"type"' in answer.json()["detail"]


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_over_the_limit_is_a_problem(system: ChatSystem, is_chunked: bool) -> None:
    body = b'{"name":"' + b"x" * MIB + b'"}'
    connection = http.client.HTTPConnection(*system.address, timeout=10)
    headers = {"Authorization": f"Bearer {system.token('ann')}"}
    connection.request(
        "POST", "/api/v1/rooms", iter([body]) if is_chunked else body, headers, encode_chunked=is_chunked
    )
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Content-Type")) == (413, "application/problem+json")
    assert b"too large" in answer.read()
    connection.close()
