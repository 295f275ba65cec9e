from __future__ import annotations

import msgspec
import pytest
from flask import Blueprint, Flask, Response

from chat.gateway.rest.operations import Operation


class Body(msgspec.Struct):
    """Anything."""


@pytest.mark.parametrize(
    ("operation", "problems"),
    [
        (Operation("GET", "/healthz", "a", "a", {200: None}), (500,)),
        (Operation("GET", "/stats", "a", "a", {200: None, 503: None}, refusals=(503,)), (500,)),
        (Operation("GET", "/api/v1/x", "a", "a", {200: None}), (401, 429, 500, 503)),
        (
            Operation("GET", "/api/v1/x/<room_id>", "a", "a", {200: None}, refusals=(403,)),
            (400, 401, 403, 429, 500, 503),
        ),
        (Operation("PUT", "/api/v1/x", "a", "a", {200: None}, body=Body), (400, 401, 408, 413, 429, 500, 503)),
    ],
)
def test_the_problems_are_those_of_its_kind_and_its_own(operation: Operation, problems: tuple[int, ...]) -> None:
    assert operation.problems == problems


def test_the_route_is_the_one_that_is_described() -> None:
    operation = Operation("PATCH", "/api/v1/a/<room_id>/b/<user_id>", "a", "a", {204: None})
    assert operation.template == "/api/v1/a/{room_id}/b/{user_id}"
    assert operation.parameters == ("room_id", "user_id")
    app, routes = Flask(__name__, static_folder=None), Blueprint("test", __name__)

    @operation.on(routes)
    def answer(room_id: str, user_id: str) -> Response:
        return Response(f"{room_id} {user_id}")

    app.register_blueprint(routes)
    client = app.test_client()
    assert client.patch("/api/v1/a/r/b/u").text == "r u"
    assert client.get("/api/v1/a/r/b/u").status_code == 405
