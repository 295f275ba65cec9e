"""`/api/v1/me`: one's own choices and nobody else's."""

from __future__ import annotations

import pytest
from flask import Flask, g

from chat.gateway.identity import Identity
from chat.gateway.rest import me, problems
from chat.services.preferences import Preferences
from chat.store.sqlite import SqliteStore


@pytest.fixture
def ask(tmp_path):
    """Return a function that asks as a user and returns status and body."""
    store = SqliteStore(tmp_path / "chat.db")
    app = Flask(__name__, static_folder=None)
    problems.install(app)
    app.register_blueprint(me.blueprint(Preferences(store, lambda _: False, lambda _: None)))
    user: list[str | None] = ["ann"]

    @app.before_request
    def identify() -> None:
        g.identity = Identity(user[0], user[0]) if user[0] else None

    def ask(method: str = "GET", body=None, as_user: str | None = "ann"):
        user[0] = as_user
        response = app.test_client().open("/api/v1/me", method=method, json=body)
        return response.status_code, response.get_json(force=True)

    yield ask
    store.close()


def test_one_is_told_what_one_has_chosen(ask):
    assert ask() == (200, {"user_id": "ann", "user_name": "ann", "read_receipts": True})
    assert ask("PATCH", {"read_receipts": False})[1]["read_receipts"] is False
    assert ask()[1]["read_receipts"] is False
    assert ask(as_user="bob")[1]["read_receipts"] is True
    assert ask("PATCH", {"readReceipts": True})[1]["read_receipts"] is True


@pytest.mark.parametrize("body", [None, {}, {"read_receipts": "no"}, [1]])
def test_the_field_is_named_when_the_choice_is_none(ask, body):
    status, problem = ask("PATCH", body)
    assert (status, problem["field"]) == (400, "read_receipts")


def test_nobody_is_told_without_a_token(ask):
    assert ask(as_user=None)[0] == 401
    assert ask("PATCH", {"read_receipts": False}, as_user=None)[0] == 401
