from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from tests.support.answers import checked

PROBLEM = {"type": "about:blank", "title": "x", "status": 404, "detail": "x"}
ME = {"user_id": "a", "user_name": "A", "read_receipts": True}


def response(method: str, path: str, status: int, body: Any, media_type: str = "", **headers: str) -> Any:
    made = requests.Response()
    made.request = requests.Request(method, f"http://127.0.0.1{path}").prepare()
    made.status_code = status
    made._content = b"" if body is None else json.dumps(body).encode()
    kind = media_type or ("application/json" if status < 400 else "application/problem+json")
    made.headers.update({"Content-Type": kind, **headers})
    return made


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/api/v1/me", 200, ME),
        ("DELETE", "/api/v1/rooms/r", 204, None),
        ("GET", "/api/v1/nowhere", 404, PROBLEM),
        ("GET", "/api/v1/rooms/r", 404, {**PROBLEM, "field": "roomId"}),
        ("HEAD", "/api/v1/me", 200, None),
        ("GET", "/", 200, "<html>"),
    ],
)
def test_an_answer_passes_when_it_is_as_described(method: str, path: str, status: int, body: Any) -> None:
    made = response(method, path, status, body)
    assert checked(made) is made


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (response("GET", "/api/v1/me", 200, {**ME, "more": 1}), "unknown field"),
        (response("GET", "/api/v1/me", 200, {"user_id": "a"}), "missing required field"),
        (response("GET", "/api/v1/me", 200, ME, "text/html"), ""),
        (response("GET", "/api/v1/me", 201, ME), "no such status"),
        (response("GET", "/api/v1/me", 404, PROBLEM), "no such status"),
        (response("DELETE", "/api/v1/rooms/r", 204, {}), ""),
        (response("GET", "/api/v1/nowhere", 200, {}), "no such operation"),
        (response("GET", "/api/v1/rooms/r", 404, {**PROBLEM, "status": 403}), ""),
        (response("GET", "/api/v1/rooms/r", 404, {**PROBLEM, "more": 1}), "unknown field"),
        (response("GET", "/api/v1/rooms/r", 404, PROBLEM, "application/json"), ""),
    ],
)
def test_an_answer_fails_when_the_description_does_not_know_it(made: requests.Response, why: str) -> None:
    with pytest.raises(AssertionError, match=f"not as described.*{why}"):
        checked(made)
