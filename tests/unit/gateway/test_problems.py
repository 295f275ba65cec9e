from __future__ import annotations

import pytest
from flask import Flask, abort

from chat.errors import (
    BrokerUnavailable,
    ChatError,
    InvalidRequest,
    NotAMember,
    RateLimited,
    RoomExists,
    RoomNotFound,
    StoreUnavailable,
    Unauthenticated,
)
from chat.gateway.rest import problems


@pytest.fixture
def answer():
    """Return a function that answers a request whose route raises."""
    app = Flask(__name__, static_folder=None)
    problems.install(app)
    raised: list[Exception] = []

    @app.get("/break")
    def route() -> str:
        if raised:
            raise raised[0]
        abort(418)

    @app.route("/socket", websocket=True)
    def socket() -> str:
        return "never"

    def ask(error: Exception | None = None, path: str = "/break", method: str = "GET"):
        raised[:] = [error] if error else []
        response = app.test_client().open(path, method=method)
        assert response.mimetype == "application/problem+json"
        body = response.get_json(force=True)
        assert body["status"] == response.status_code
        assert {"type", "title", "status", "detail"} <= body.keys()
        return response, body

    return ask


@pytest.mark.parametrize(
    ("error", "status", "title"),
    [
        (InvalidRequest("wrong", field="name"), 400, "invalid"),
        (Unauthenticated("who?"), 401, "unauthenticated"),
        (NotAMember("no"), 403, "not-a-member"),
        (RoomNotFound("no"), 404, "room-not-found"),
        (RoomExists("no"), 409, "room-exists"),
        (BrokerUnavailable("accept"), 503, "unavailable"),
        (StoreUnavailable("get"), 503, "store-unavailable"),
        (ChatError("surprise"), 503, "internal"),
    ],
)
def test_an_error_is_a_problem_when_a_route_raises_it(answer, error, status, title):
    response, body = answer(error)
    assert (response.status_code, body["title"], body["detail"]) == (status, title, error.message)
    assert body.get("field") == error.field
    assert ("WWW-Authenticate" in response.headers) == (status == 401)


@pytest.mark.parametrize(("wait", "told"), [(0.01, "1"), (1.4, "2"), (7.6, "8")])
def test_one_hears_when_to_come_back_when_one_was_too_fast(answer, wait, told):
    response, _ = answer(RateLimited("slow", retry_after_s=wait))
    assert (response.status_code, response.headers["Retry-After"]) == (429, told)


def test_a_page_that_is_not_there_is_a_problem_when_it_is_asked_for(answer):
    response, body = answer(path="/nowhere")
    assert (response.status_code, body["title"]) == (404, "not-found")


def test_the_allowed_methods_are_told_when_another_is_used(answer):
    response, _ = answer(method="POST")
    assert response.status_code == 405
    assert "GET" in response.headers["Allow"]


def test_the_mend_is_told_when_a_websocket_is_asked_for_over_http(answer):
    response, body = answer(path="/socket")
    assert response.status_code == 400
    assert "Upgrade: websocket" in body["detail"]


def test_flasks_own_refusals_are_problems_when_they_come(answer):
    assert answer()[0].status_code == 418


def test_the_inside_is_not_shown_when_something_unforeseen_breaks(answer, caplog):
    response, body = answer(ZeroDivisionError("a secret"))
    assert response.status_code == 500
    assert "secret" not in str(body)
    assert "request-broke" in caplog.text
