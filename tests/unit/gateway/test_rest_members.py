"""Bodies and addresses of the routes of rooms and members: what is taken, and which field a refusal names."""

from __future__ import annotations

import pytest
from flask import Flask, g

from chat.gateway.identity import Identity
from chat.gateway.rest import bodies, members, problems, rooms
from chat.services.room_list import RoomList
from chat.store.sqlite import SqliteStore
from tests.support.keeping import Keeping

TEAM = "/api/v1/rooms/team"


@pytest.fixture
def ask(tmp_path):
    """Return a function that asks as a user and returns status and body."""
    store = SqliteStore(tmp_path / "chat.db")
    keeping = Keeping(store, member_limit=5)
    app = Flask(__name__, static_folder=None)
    problems.install(app)
    room_list = RoomList(keeping.rooms, store, keeping.caches)
    app.register_blueprint(rooms.blueprint(keeping.rooms, keeping.changes, room_list))
    app.register_blueprint(members.blueprint(keeping.changes))
    user: list[str | None] = ["ann"]

    @app.before_request
    def identify() -> None:
        g.identity = Identity(user[0], user[0]) if user[0] else None

    def ask(method: str, path: str, body=None, as_user: str | None = "ann"):
        user[0] = as_user
        sent = {} if body is None else {"data": body} if isinstance(body, bytes) else {"json": body}
        response = app.test_client().open(path, method=method, **sent)
        return response.status_code, response.get_json(force=True) if response.data else None

    ask("POST", "/api/v1/rooms", {"id": "team", "name": "Team", "members": ["bob"]})
    yield ask
    store.close()


def test_a_member_is_told_with_the_role_when_put(ask):
    assert ask("PUT", f"{TEAM}/members/cy", {"role": "admin"}) == (200, {"user_id": "cy", "role": "admin"})
    assert ask("PUT", f"{TEAM}/members/dan") == (200, {"user_id": "dan", "role": "member"})
    assert ask("PUT", f"{TEAM}/members/cy", {}) == (200, {"user_id": "cy", "role": "admin"})
    assert ask("DELETE", f"{TEAM}/members/dan") == (204, None)
    status, room = ask("GET", TEAM, as_user="cy")
    assert (status, [each["user_id"] for each in room["members"]]) == (200, ["ann", "bob", "cy"])


def test_a_room_is_told_under_its_new_name_when_renamed(ask):
    status, room = ask("PATCH", TEAM, {"name": "Crew"})
    assert (status, room["name"], room["member_count"]) == (200, "Crew", 2)


def test_a_room_is_gone_when_deleted(ask):
    assert ask("DELETE", TEAM) == (204, None)
    assert ask("GET", TEAM)[0] == 404
    assert ask("GET", "/api/v1/rooms") == (200, {"rooms": [], "next": None})


def test_rooms_are_listed_page_by_page_when_asked(ask):
    for number in range(3):
        ask("POST", "/api/v1/rooms", {"id": f"r{number}"})
    status, first = ask("GET", "/api/v1/rooms?limit=3")
    assert (status, [each["id"] for each in first["rooms"]], first["next"]) == (200, ["r0", "r1", "r2"], "r2")
    _, rest = ask("GET", f"/api/v1/rooms?limit=3&next={first['next']}")
    assert ([each["id"] for each in rest["rooms"]], rest["next"]) == (["team"], None)
    assert rest["rooms"][0].keys() >= {"id", "type", "name", "member_count", "members", "unread", "last_message"}


REFUSALS = [
    ("PUT", f"{TEAM}/members/cy", {"role": "boss"}, 400, "role"),
    ("PUT", f"{TEAM}/members/cy", {"role": 7}, 400, "role"),
    ("PUT", f"{TEAM}/members/cy", b"{", 400, "body"),
    ("PUT", f"{TEAM}/members/a b", {}, 400, "userId"),
    ("PUT", f"{TEAM}/members/{'x' * 65}", {}, 400, "userId"),
    ("PUT", "/api/v1/rooms/a b/members/cy", {}, 400, "id"),
    ("PUT", "/api/v1/rooms/nowhere/members/cy", {}, 404, "roomId"),
    ("PUT", f"{TEAM}/members/ann", {"role": "member"}, 409, "userId"),
    ("DELETE", f"{TEAM}/members/ann", None, 409, "userId"),
    ("DELETE", f"{TEAM}/members/eve", None, 404, "userId"),
    ("DELETE", f"{TEAM}/members/a:b", None, 400, "userId"),
    ("PATCH", TEAM, {}, 400, "name"),
    ("PATCH", TEAM, {"name": ""}, 400, "name"),
    ("PATCH", TEAM, {"name": "   "}, 400, "name"),
    ("PATCH", TEAM, {"name": "x" * 129}, 400, "name"),
    ("PATCH", TEAM, {"name": None}, 400, "name"),
    ("PATCH", TEAM, b"", 400, "body"),
    ("PATCH", "/api/v1/rooms/a{b}", {"name": "x"}, 400, "id"),
    ("DELETE", "/api/v1/rooms/a*b", None, 400, "id"),
    ("GET", "/api/v1/rooms/a%3Ab", None, 400, "id"),
    ("GET", "/api/v1/rooms/nowhere", None, 404, "roomId"),
    ("GET", "/api/v1/rooms?limit=0", None, 400, "limit"),
    ("GET", "/api/v1/rooms?limit=201", None, 400, "limit"),
    ("GET", "/api/v1/rooms?limit=x", None, 400, "limit"),
    ("GET", "/api/v1/rooms?next=a%20b", None, 400, "next"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "field"), REFUSALS)
def test_the_field_and_a_mend_are_named_when_a_request_is_refused(ask, method, path, body, status, field):
    told, problem = ask(method, path, body)
    assert (told, problem["field"]) == (status, field)
    assert problem["detail"]


def test_a_full_room_says_so_when_one_more_is_added(ask):
    for user_id in ("c", "d", "e"):
        assert ask("PUT", f"{TEAM}/members/{user_id}")[0] == 200
    status, problem = ask("PUT", f"{TEAM}/members/f")
    assert (status, problem["title"]) == (409, "limit-reached")


@pytest.mark.parametrize(("method", "path"), [
    ("POST", "/api/v1/rooms"), ("GET", "/api/v1/rooms"), ("GET", TEAM), ("PATCH", TEAM), ("DELETE", TEAM),
    ("PUT", f"{TEAM}/members/cy"), ("DELETE", f"{TEAM}/members/bob"),
])  # fmt: skip
def test_nothing_is_answered_when_nobody_asks(ask, method, path):
    assert ask(method, path, {"name": "x"} if method in ("POST", "PATCH") else None, as_user=None)[0] == 401


def test_an_id_is_an_id_when_it_looks_like_one():
    assert bodies.checked_id("a.b_c-D9", "id") == "a.b_c-D9"
