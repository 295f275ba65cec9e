"""`me/push` and `rooms/{id}/push`: one's own choices, checked."""

from __future__ import annotations

from typing import Any, cast

import pytest
from flask import Flask, g

from chat.errors import NotAMember
from chat.gateway.identity import Identity
from chat.gateway.rest import problems, push_choices
from chat.services.push_choices import PushChoices
from chat.store.sqlite import SqliteStore

HOURS = {"from": "22:00", "to": "07:00", "tz": "Europe/Berlin"}
NOTHING = {"mode": None, "muted_until": None}


class Membership:
    """Everybody is a member but Eve."""

    def require(self, room_id, user_id, *, is_guest=False):
        if user_id == "eve":
            raise NotAMember("no", field="roomId")


@pytest.fixture
def ask(tmp_path):
    """Return a function that asks as a user and returns status and body."""
    store = SqliteStore(tmp_path / "chat.db")
    app = Flask(__name__, static_folder=None)
    problems.install(app)
    app.register_blueprint(push_choices.blueprint(cast("Any", Membership()), PushChoices(store)))
    user: list[str | None] = ["ann"]

    @app.before_request
    def identify() -> None:
        g.identity = Identity(user[0], user[0]) if user[0] else None

    def ask(method, path, body=None, as_user="ann"):
        user[0] = as_user
        response = app.test_client().open(f"/api/v1/{path}", method=method, json=body)
        return response.status_code, response.get_json(force=True)

    yield ask
    store.close()


def test_choices_are_kept_and_what_is_not_said_stays(ask):
    assert ask("GET", "me/push") == (200, {"mode": "all", "quiet_hours": None})
    assert ask("PATCH", "me/push", {"mode": "mentions"}) == (200, {"mode": "mentions", "quiet_hours": None})
    wanted = (200, {"mode": "mentions", "quiet_hours": HOURS})
    assert ask("PATCH", "me/push", {"quietHours": HOURS}) == wanted
    assert ask("GET", "me/push") == wanted
    assert ask("PATCH", "me/push", {"quiet_hours": None})[1]["quiet_hours"] is None
    assert ask("GET", "me/push", as_user="bob")[1]["mode"] == "all"


def test_a_room_is_muted_and_unmuted(ask):
    assert ask("GET", "rooms/den/push") == (200, NOTHING)
    wanted = {"mode": "none", "muted_until": "2026-01-31T11:00:00.000Z"}
    said = {"mode": "none", "mutedUntil": "2026-01-31T12:00:00+01:00"}
    assert ask("PUT", "rooms/den/push", said) == (200, wanted)
    assert ask("GET", "rooms/den/push") == (200, wanted)
    assert ask("GET", "rooms/hall/push") == (200, NOTHING)
    assert ask("PUT", "rooms/den/push", {"mode": "all"}) == (200, {"mode": "all", "muted_until": None})
    assert ask("PUT", "rooms/den/push", {}) == (200, NOTHING)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, "body"),
        ({"mode": "loud"}, "mode"),
        ({"mode": None}, "mode"),
        ({"quiet_hours": "night"}, "quiet_hours"),
        ({"quiet_hours": HOURS | {"tz": "Europe/Atlantis"}}, "quiet_hours.tz"),
        ({"quiet_hours": HOURS | {"tz": "../../etc/passwd"}}, "quiet_hours.tz"),
        ({"quiet_hours": HOURS | {"tz": ""}}, "quiet_hours.tz"),
        ({"quietHours": {"from": "22:00", "to": "07:00"}}, "quiet_hours.tz"),
        ({"quiet_hours": HOURS | {"from": "24:00"}}, "quiet_hours.from"),
        ({"quiet_hours": HOURS | {"to": "7:00"}}, "quiet_hours.to"),
        ({"quiet_hours": HOURS | {"to": "22:00"}}, "quiet_hours.to"),
    ],
)
def test_the_field_is_named_when_a_choice_is_none(ask, body, field):
    status, problem = ask("PATCH", "me/push", body)
    assert (status, problem["field"]) == (400, field)
    assert ask("GET", "me/push")[1] == {"mode": "all", "quiet_hours": None}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mode": "loud"}, "mode"),
        ({"muted_until": "tomorrow"}, "muted_until"),
        ({"muted_until": "2026-01-31T12:00:00"}, "muted_until"),
        ({"muted_until": "1969-01-31T12:00:00Z"}, "muted_until"),
        ({"muted_until": 7}, "muted_until"),
    ],
)
def test_the_field_is_named_when_a_rooms_choice_is_none(ask, body, field):
    status, problem = ask("PUT", "rooms/den/push", body)
    assert (status, problem["field"]) == (400, field)


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_only_members_choose_for_a_room(ask, method):
    body = {"mode": "all"} if method == "PUT" else None
    assert ask(method, "rooms/den/push", body, as_user="eve")[0] == 403
    assert ask(method, "rooms/den/push", body, as_user=None)[0] == 401
    assert ask(method, "rooms/b@d/push", body)[1]["field"] == "roomId"
    assert ask("GET", "me/push", as_user=None)[0] == 401
