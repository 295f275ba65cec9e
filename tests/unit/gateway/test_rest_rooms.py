from __future__ import annotations

import pytest
from flask import Flask, g

from chat.gateway.identity import Identity
from chat.gateway.rest import problems, rooms
from chat.model.ids import is_id
from chat.model.room import direct_room_id
from chat.services.room_list import RoomList
from chat.store.sqlite import SqliteStore
from tests.support.keeping import Keeping

URL = "/api/v1/rooms"


@pytest.fixture
def post(tmp_path):
    """Return a function that posts as a user and returns status and body."""
    store = SqliteStore(tmp_path / "chat.db")
    app = Flask(__name__, static_folder=None)
    problems.install(app)
    keeping = Keeping(store, member_limit=300)
    room_list = RoomList(keeping.rooms, store, keeping.caches)
    app.register_blueprint(rooms.blueprint(keeping.rooms, keeping.changes, room_list))
    user: list[str | None] = ["ann"]

    @app.before_request
    def identify() -> None:
        g.identity = Identity(user[0], user[0]) if user[0] else None

    def ask(body, as_user: str | None = "ann"):
        user[0] = as_user
        sent = {"data": body} if isinstance(body, bytes) else {"json": body}
        response = app.test_client().post(URL, **sent)
        return response.status_code, response.get_json(force=True)

    yield ask
    store.close()


def test_a_group_is_made_when_it_is_asked_for(post):
    status, room = post({"type": "group", "name": "Team", "id": "team", "members": ["bob", "bob", "ann"]})
    assert status == 201
    assert room.pop("created_at").endswith("Z")
    assert room == {
        "id": "team",
        "type": "group",
        "name": "Team",
        "member_count": 2,
        "members": [{"user_id": "ann", "role": "owner"}, {"user_id": "bob", "role": "member"}],
    }


def test_a_room_gets_an_id_when_it_has_none(post):
    made = [post({"type": "channel"})[1]["id"] for _ in range(3)]
    assert len(set(made)) == 3
    assert all(is_id(each) for each in made)


def test_a_direct_room_is_the_same_when_either_asks(post):
    status, room = post({"type": "direct", "members": ["bob"], "id": "mine"})
    assert (status, room["id"]) == (201, direct_room_id("ann", "bob"))
    assert post({"type": "direct", "members": ["ann"]}, as_user="bob") == (201, room)


def test_the_first_two_hundred_are_shown_when_a_room_has_more(post):
    _, room = post({"members": [f"user{n}" for n in range(250)]})
    assert (room["member_count"], len(room["members"])) == (251, 200)


def test_a_room_is_refused_when_its_id_is_taken(post):
    post({"id": "team"})
    status, problem = post({"id": "team"})
    assert (status, problem["title"], problem["field"]) == (409, "room-exists", "id")


def test_a_room_is_refused_when_nobody_asks(post):
    assert post({}, as_user=None)[0] == 401


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 400, "body"),
        (b"{", 400, "body"),
        (b"[]", 400, "body"),
        (b"[" * 50_000, 400, "body"),
        (b"\xff", 400, "body"),
        ({"type": "club"}, 400, "type"),
        ({"type": 7}, 400, "type"),
        ({"name": ""}, 400, "name"),
        ({"name": "x" * 129}, 400, "name"),
        ({"name": 7}, 400, "name"),
        ({"id": "a b"}, 400, "id"),
        ({"id": "x" * 65}, 400, "id"),
        ({"id": ""}, 400, "id"),
        ({"id": direct_room_id("ann", "bob")}, 400, "id"),
        ({"members": "bob"}, 400, "members"),
        ({"members": ["bob", "a b"]}, 400, "members"),
        ({"members": [7]}, 400, "members"),
        ({"members": [f"user{n}" for n in range(300)]}, 409, "members"),
        ({"type": "direct"}, 400, "members"),
        ({"type": "direct", "members": ["ann"]}, 400, "members"),
        ({"type": "direct", "members": ["bob", "cy"]}, 400, "members"),
    ],
)
def test_the_right_field_is_named_when_a_room_is_refused(post, body, status, field):
    told, problem = post(body)
    assert (told, problem["field"]) == (status, field)
    assert problem["detail"]
