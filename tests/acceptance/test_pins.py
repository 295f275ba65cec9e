"""Pins as clients see them: who may, what everybody is told, and what is left of them."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.support.chat_client import ChatClient
from tests.support.chat_system import ChatSystem


class Board:
    """A room of Ann's with Bob as a member, in which both listen."""

    def __init__(self, system: ChatSystem, room: str, kind: str) -> None:
        self.system = system
        self.tokens = {name: system.token(f"{name}-{room}") for name in ("ann", "bob", "eve")}
        wanted = {"type": kind, "members": [f"bob-{room}"]}
        self.room: str = system.post("/api/v1/rooms", wanted, self.tokens["ann"]).json()["id"]
        self.ann, self.bob = (system.client(self.tokens[name]) for name in ("ann", "bob"))
        self.ann.join(self.room)
        self.bob.join(self.room)

    def say(self, content: str) -> str:
        message: str = self.ann.say(self.room, content)["id"]
        return message

    def ask(self, method: str, who: str, message_id: str = "") -> requests.Response:
        path = f"/api/v1/rooms/{self.room}/pins" + (f"/{message_id}" if message_id else "")
        return self.system.request(method, path, token=self.tokens[who])

    def pins(self, who: str = "bob") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", who).json()["pins"]
        return found

    def told(self, client: ChatClient, change: str) -> dict[str, Any]:
        def found() -> dict[str, Any] | None:
            return next((each for each in client.of("room-updated") if each["change"] == change), None)

        return client.until(found)


@pytest.fixture
def board(system: ChatSystem, room: str) -> Board:
    return Board(system, room, "group")


def test_everyone_is_told_of_a_pin_and_finds_it(board: Board) -> None:
    first, second = board.say("read this"), board.say("and this")
    pinned = board.ask("PUT", "ann", first)
    assert (pinned.status_code, pinned.json()["message_id"]) == (200, first)
    assert board.ask("PUT", "ann", first).json() == pinned.json()  # again: nothing changes
    board.ask("PUT", "ann", second)
    told = board.told(board.bob, "pinned")
    assert (told["roomId"], told["messageId"], told["userId"]) == (board.room, first, board.ann.user_id)
    assert told["room"]["id"] == board.room
    assert isinstance(told["offset"], int)
    assert board.told(board.ann, "pinned") == told
    assert [each["message_id"] for each in board.pins()] == [second, first]
    assert board.pins()[1] == {**pinned.json(), "message": board.bob.history(board.room)[0]}


def test_a_pin_is_taken_away(board: Board) -> None:
    message = board.say("read this")
    board.ask("PUT", "ann", message)
    assert board.ask("DELETE", "ann", message).status_code == 204
    assert board.told(board.bob, "unpinned")["messageId"] == message
    assert board.pins() == []
    assert board.ask("DELETE", "ann", message).status_code == 204
    assert len(board.bob.of("room-updated")) == 2


def test_a_deleted_message_is_unpinned_before_its_deletion_is_told(board: Board) -> None:
    message = board.say("read this")
    board.ask("PUT", "ann", message)
    board.ann.ask("delete-chat-message", {"messageId": message})
    told = board.told(board.bob, "unpinned")
    assert (told["messageId"], "userId" in told) == (message, False)
    assert board.bob.until(lambda: board.bob.of("message-deleted"))[0]["offset"] > told["offset"]
    assert board.pins() == []
    again = board.ask("PUT", "ann", message)
    assert (again.status_code, again.json()["title"]) == (409, "message-deleted")


def test_who_was_away_is_told_of_pins_in_their_place(board: Board) -> None:
    at = board.ann.join(board.room)
    board.ask("PUT", "ann", board.say("read this"))
    told = board.told(board.bob, "pinned")
    late = board.system.client(board.tokens["bob"])
    late.join(board.room, since={board.room: {"epoch": at["epoch"], "offset": at["offset"]}})
    assert late.of("room-updated") == [told]


@pytest.mark.parametrize("kind", ["group", "channel", "direct"])
def test_who_may_pin(system: ChatSystem, room: str, kind: str) -> None:
    board = Board(system, room, kind)
    message = board.say("read this")
    may_all = kind == "direct"
    for method in ("PUT", "DELETE"):
        assert board.ask(method, "bob", message).status_code == (
            403 if not may_all else 200 if method == "PUT" else 204
        )
        assert board.ask(method, "eve", message).json()["title"] == "not-a-member"
        assert board.system.request(method, f"/api/v1/rooms/{board.room}/pins/{message}").status_code == 401
    assert board.ask("GET", "eve").status_code == 403
    assert board.ask("PUT", "ann", message).status_code == 200
    assert [each["message_id"] for each in board.pins("bob")] == [message]


def test_an_admin_may_pin(board: Board) -> None:
    message = board.say("read this")
    path = f"/api/v1/rooms/{board.room}/members/{board.bob.user_id}"
    board.system.request("PUT", path, {"role": "admin"}, board.tokens["ann"])
    assert board.ask("PUT", "bob", message).status_code == 200


def test_what_is_no_message_of_the_room_is_not_pinned(board: Board, system: ChatSystem) -> None:
    for unknown, status in (("nonsense", 400), (f"{board.room}.99.abcd1234", 404), ("other.1.abcd1234", 404)):
        assert board.ask("PUT", "ann", unknown).status_code == status
