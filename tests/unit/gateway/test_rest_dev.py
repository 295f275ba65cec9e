from __future__ import annotations

import pytest
from flask import Flask

from chat.gateway.identity import NAME_LIMIT, Authenticator
from chat.gateway.rest import dev, problems

AUTHENTICATOR = Authenticator("a secret of more than thirty-two bytes", is_dev=True, issuer="us", audience="chat")


@pytest.fixture
def post():
    app = Flask(__name__, static_folder=None)
    problems.install(app)
    app.register_blueprint(dev.blueprint(AUTHENTICATOR))

    def ask(body):
        sent = {"data": body} if isinstance(body, bytes) else {"json": body}
        response = app.test_client().post("/api/v1/dev/token", **sent)
        return response.status_code, response.get_json(force=True)

    return ask


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"user_id": "ann", "user_name": "Ann"}, "Ann"),
        ({"userId": "ann", "userName": "Zoë 😀"}, "Zoë 😀"),
        ({"user_id": "ann"}, "ann"),
        ({"user_id": "ann", "user_name": None}, "ann"),
        ({"user_id": "ann", "user_name": "x" * NAME_LIMIT}, "x" * NAME_LIMIT),
    ],
)
def test_a_token_is_believed_when_it_was_minted_here(post, body, name):
    status, told = post(body)
    assert status == 200
    found = AUTHENTICATOR.verify(told["token"])
    assert (found.user_id, found.name, found.is_admin) == ("ann", name, False)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "user_id"),
        (b"[]", "user_id"),
        (b"{", "user_id"),
        (b"[" * 50_000, "user_id"),
        (b'{"user_id":"\xff"}', "user_id"),
        ({}, "user_id"),
        ({"user_id": "a b"}, "user_id"),
        ({"user_id": "x" * 65}, "user_id"),
        ({"userId": ""}, "user_id"),
        ({"user_id": 7}, "user_id"),
        ({"user_id": "ann", "user_name": ""}, "user_name"),
        ({"user_id": "ann", "user_name": "  "}, "user_name"),
        ({"user_id": "ann", "userName": "x" * (NAME_LIMIT + 1)}, "user_name"),
        ({"user_id": "ann", "user_name": 7}, "user_name"),
    ],
)
def test_the_right_field_is_named_when_no_token_can_be_minted(post, body, field):
    status, problem = post(body)
    assert (status, problem["title"], problem["field"]) == (400, "invalid", field)
