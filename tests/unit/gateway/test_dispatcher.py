from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from gevent.event import Event

from chat.errors import BrokerUnavailable
from chat.gateway.dispatcher import Dispatcher
from chat.gateway.rate import JoinRate
from chat.gateway.session import INBOX_LIMIT
from chat.model.room import RoomType
from chat.protocol import commands
from chat.services.amending import Reacted
from chat.services.fates import Fates
from chat.services.history import History
from chat.store.sqlite import SqliteStore
from tests.support.desk import Desk
from tests.support.greenlets import turn, turn_until
from tests.support.keeping import Keeping
from tests.support.local_client import LocalClient
from tests.support.local_server import ROOM, serving
from tests.support.presence import live_presence


class Amendments:
    """Takes every amendment."""

    def __init__(self, done: list[tuple[Any, ...]]) -> None:
        self.done = done

    def edit(self, user_id: str, ref: Any, content: str) -> bytes:
        self.done.append(("edit", user_id, ref.seq, content))
        return b'{"content":"ho"}'

    def delete(self, user_id: str, ref: Any) -> None:
        self.done.append(("delete", user_id, ref.seq))

    def react(self, user_id: str, ref: Any, emoji: str, remove: bool | None) -> Reacted:
        self.done.append(("react", user_id, ref.seq, emoji, remove))
        return Reacted("added", {emoji: [user_id]})


class Counter:
    """A dispatcher with services over a real store and a broker in memory; `ann` is its client."""

    def __init__(self, server: Any, store: SqliteStore, rooms_per_socket: int = 3, joins_per_s: float = 0) -> None:
        self.server, self.desk = server, Desk(server, store)
        keeping = Keeping(store, broker=server.broker)
        self.rooms, self.changes = keeping.rooms, keeping.changes
        self.rooms.create(RoomType.GROUP, "ann", ["bob"], room_id=ROOM, name=None)
        self.rooms.create(RoomType.GROUP, "bob", [], room_id="closed", name=None)
        self.membership = keeping.membership
        self.amended: list[tuple[Any, ...]] = []
        self.dispatcher = Dispatcher(
            server.hub,
            self.membership,
            self.desk.sending,
            server.joining,
            History(server.broker, store, server.broker.read),
            Fates(server.broker, server.broker.read),
            rooms_per_socket,
            JoinRate(joins_per_s),
            live_presence(server.hub),
            cast("Any", Amendments(self.amended)),
        )

    def client(self, user_id: str = "ann") -> LocalClient:
        return self.server.client(user_id)

    def say(self, client: LocalClient, event: str, data: Any = None, ack: Any = None) -> None:
        frame = {"event": event, "data": data or {}} | ({} if ack is None else {"ack": ack})
        self.dispatcher.on_message(client.connection, json.dumps(frame).encode())

    def ask(self, client: LocalClient, event: str, data: Any = None, ack: Any = 1) -> list[dict[str, Any]]:
        """Say it, and return what comes back until nothing is under way."""
        self.say(client, event, data, ack)
        return self.answers(client)

    def answers(self, client: LocalClient) -> list[dict[str, Any]]:
        turn_until(lambda: not client.session.is_busy)
        self.server.broker.answer()
        return client.told()


@pytest.fixture
def counter(tmp_path) -> Iterator[Counter]:
    store = SqliteStore(tmp_path / "chat.db")
    with serving() as server:
        yield Counter(server, store)
    store.close()


def test_joining_tells_where_one_stands_when_one_is_a_member(counter):
    counter.server.act(["accept", "accept"])
    counter.server.broker.published.clear()
    ann = counter.client()
    [ack] = counter.ask(ann, "join-chat-rooms", {"roomIds": [ROOM, ROOM]})
    told = {"epoch": counter.server.epoch, "offset": 2, "last_seq": 2, "recovered": False}
    told |= {"online": ["ann"], "online_names": {"ann": "Ann"}, "online_count": 1}
    assert ack == {"event": "ack", "data": {"ack": 1, "ok": True, "result": {"rooms": {ROOM: told}}}}
    assert ann.session.rooms == {ROOM}


def test_missed_events_come_before_the_ack_when_one_comes_back(counter):
    counter.server.act(["accept", "accept"])
    since = {ROOM: {"epoch": counter.server.epoch, "offset": 1}}
    shown, ack = counter.ask(counter.client(), "join-chat-rooms", {"room_ids": [ROOM], "since": since})
    assert (shown["event"], shown["data"]["offset"]) == ("new-chat-message", 2)
    assert ack["data"]["result"]["rooms"][ROOM]["recovered"]


@pytest.mark.parametrize(
    ("event", "data", "code", "field"),
    [
        ("join-chat-rooms", {"roomIds": [ROOM, "closed"]}, "not-a-member", "roomId"),
        ("join-chat-rooms", {"roomIds": ["nowhere"]}, "room-not-found", "roomId"),
        ("join-chat-rooms", {"roomIds": ["a", "b", "c", "d"]}, "limit-reached", "roomIds"),
        ("join-chat-rooms", {}, "invalid", "roomIds"),
        ("join-chat-rooms", {"roomIds": ["a b"]}, "invalid", "roomIds"),
        ("leave-chat-rooms", {}, "invalid", "roomIds"),
        ("send-chat-message", {"roomId": "closed", "content": "x"}, "not-a-member", "roomId"),
        ("send-chat-message", {"content": "x"}, "invalid", "roomId"),
        ("send-chat-message", {"roomId": ROOM, "content": " "}, "invalid", "content"),
        ("get-messages", {"roomId": "closed"}, "not-a-member", "roomId"),
        ("get-messages", {"roomId": ROOM, "limit": 500}, "invalid", "limit"),
        ("get-send-fate", {"roomId": "closed", "temp_ids": []}, "not-a-member", "roomId"),
        ("get-send-fate", {"roomId": ROOM}, "invalid", "temp_ids"),
        ("no-such-event", {}, "invalid", "event"),
    ],
)
@pytest.mark.parametrize("ack", [5, None])
def test_a_request_is_refused_once_when_it_cannot_be_done(counter, event, data, code, field, ack):
    [told] = counter.ask(counter.client(), event, data, ack)
    if ack is None:
        assert told["event"] == "error"
        assert (told["data"]["code"], told["data"]["field"], told["data"]["event"]) == (code, field, event)
    else:
        assert (told["event"], told["data"]["ack"], told["data"]["ok"]) == ("ack", 5, False)
        assert (told["data"]["error"]["code"], told["data"]["error"]["field"]) == (code, field)


def test_nobody_is_in_any_room_when_one_of_them_is_refused(counter):
    ann = counter.client()
    counter.ask(ann, "join-chat-rooms", {"roomIds": [ROOM, "closed"]})
    assert ann.session.rooms == set()
    assert ROOM not in counter.server.hub.rooms


def test_the_rooms_one_is_in_count_when_one_joins_more(counter):
    for name in ("a", "b", "c"):
        counter.rooms.create(RoomType.GROUP, "ann", [], room_id=name, name=None)
        counter.server.broker.warm(name, 0, [])
    ann = counter.client()
    counter.ask(ann, "join-chat-rooms", {"roomIds": [ROOM, "a", "b"]})
    [ack] = counter.ask(ann, "join-chat-rooms", {"roomIds": ["c"]})
    assert ack["data"]["error"]["code"] == "limit-reached"
    assert ann.session.rooms == {ROOM, "a", "b"}


def test_one_is_told_to_wait_when_one_joins_too_fast(counter):
    slow = replace(counter.dispatcher, join_rate=JoinRate(0.1, burst_s=10))
    ann = counter.client()
    for is_taken in (True, False):
        counter.dispatcher = slow
        [ack] = counter.ask(ann, "join-chat-rooms", {"roomIds": [ROOM]})
        assert ack["data"]["ok"] == is_taken
    assert (ack["data"]["error"]["code"], ack["data"]["error"]["field"]) == ("rate-limited", "roomIds")
    assert 9 < ack["data"]["error"]["retryAfter"] <= 10


def test_rooms_one_is_in_already_do_not_count_twice_when_one_joins_again(counter):
    for name in ("a", "b"):
        counter.rooms.create(RoomType.GROUP, "ann", [], room_id=name, name=None)
        counter.server.broker.warm(name, 0, [])
    ann = counter.client()
    for _ in range(2):
        [ack] = counter.ask(ann, "join-chat-rooms", {"roomIds": [ROOM, "a", "b"]})
        assert ack["data"]["ok"]


def test_a_member_is_answered_at_once_when_it_is_known(counter):
    ann = counter.client()
    first = counter.ask(ann, "send-chat-message", {"roomId": ROOM, "content": "one", "temp_id": "t1"})
    assert first[0]["data"]["result"]["seq"] == 1
    counter.say(ann, "send-chat-message", {"roomId": ROOM, "content": "two", "temp_id": "t2"}, ack=2)
    assert not ann.session.is_busy
    assert counter.answers(ann)[0]["data"]["result"]["seq"] == 2


def test_frames_keep_their_order_when_a_slow_one_is_first(counter):
    ann = counter.client()
    counter.say(ann, "join-chat-rooms", {"roomIds": [ROOM]}, ack=1)
    for n in (2, 3, 4):
        counter.say(ann, "send-chat-message", {"roomId": ROOM, "content": "x", "temp_id": f"t{n}"}, ack=n)
    counter.say(ann, "no-such-event", {}, ack=5)
    counter.say(ann, "heartbeat", {}, ack=6)
    assert len(ann.session.inbox) == 5
    told = counter.answers(ann)
    assert {each["data"]["ack"] for each in told if each["event"] == "ack"} == {1, 2, 3, 4, 5, 6}
    numbers = {
        each["data"]["ack"]: each["data"]["result"]["seq"] for each in told if each["data"].get("ack") in (2, 3, 4)
    }
    assert numbers == {2: 1, 3: 2, 4: 3}
    assert told[0]["data"]["ack"] == 1


def test_a_client_is_not_read_when_too_much_waits_behind_a_slow_command(counter):
    ann, gate = counter.client(), Event()
    counter.server.broker.before_read = lambda: gate.wait(5)
    reading = []
    ann.connection.start()
    counter.say(ann, "join-chat-rooms", {"roomIds": [ROOM]})
    turn()
    for _ in range(INBOX_LIMIT):
        reading.append(ann.connection._watcher.active)
        counter.say(ann, "heartbeat")
    assert reading == [True] * INBOX_LIMIT
    assert not ann.connection._watcher.active
    gate.set()
    assert sum(each["event"] == "heartbeat" for each in counter.answers(ann)) == INBOX_LIMIT
    assert ann.connection._watcher.active


def test_frames_wait_when_a_session_is_not_welcomed_yet(counter):
    ann = counter.client()
    ann.session.is_busy = True
    counter.say(ann, "heartbeat", {}, ack=1)
    assert ann.told() == []
    counter.dispatcher.begin(ann.session)
    beat, ack = counter.answers(ann)
    assert beat["event"] == "heartbeat"
    assert beat["data"] == ack["data"]["result"]


def test_one_hears_which_rooms_were_left_when_one_leaves(counter):
    ann = counter.client()
    counter.ask(ann, "join-chat-rooms", {"roomIds": [ROOM]})
    [ack] = counter.ask(ann, "leave-chat-rooms", {"roomIds": [ROOM, "closed"]})
    assert ack["data"]["result"] == {"roomIds": [ROOM]}
    assert counter.server.hub.rooms[ROOM].is_empty


def test_a_page_comes_as_it_is_stored_when_messages_are_asked_for(counter):
    counter.server.act(["accept", "accept", "accept"])
    [ack] = counter.ask(counter.client(), "get-messages", {"roomId": ROOM, "limit": 2})
    result = ack["data"]["result"]
    assert ([each["seq"] for each in result["messages"]], result["has_more"]) == ([2, 3], True)
    [ack] = counter.ask(counter.client(), "get-messages", {"roomId": ROOM, "after": 0, "before": None, "limit": 1})
    assert [each["seq"] for each in ack["data"]["result"]["messages"]] == [1]
    assert counter.ask(counter.client(), "get-messages", {"roomId": ROOM}, ack=None) == []


def test_fates_come_in_one_answer_when_they_are_asked_for(counter):
    counter.server.act(["accept", "confirm"])
    [ack] = counter.ask(counter.client(), "get-send-fate", {"roomId": ROOM, "tempIds": ["t1", "t2"]})
    states = {temp_id: each["state"] for temp_id, each in ack["data"]["result"]["fates"].items()}
    assert states == {"t1": "confirmed", "t2": "unknown"}


def test_a_binary_frame_is_refused_and_the_connection_lives_when_it_comes(counter):
    ann = counter.client()
    counter.dispatcher.on_binary(ann.connection, b"x")
    [told] = ann.told()
    assert (told["event"], told["data"]["field"]) == ("error", "frame")
    assert counter.ask(ann, "heartbeat", ack=None)[0]["event"] == "heartbeat"


def test_the_connection_closes_and_others_go_on_when_a_command_breaks(counter, caplog):
    def break_down() -> None:
        raise ZeroDivisionError

    counter.server.broker.before_read = break_down
    ann, bob = counter.client(), counter.client("bob")
    [closing] = counter.ask(ann, "get-messages", {"roomId": ROOM})
    assert (closing["event"], closing["data"]["code"]) == ("closing", 1011)
    assert "command-failed" in caplog.text
    assert counter.ask(bob, "heartbeat", ack=None)[0]["event"] == "heartbeat"


def test_no_room_is_joined_when_one_of_them_cannot_be_read(counter):
    counter.rooms.create(RoomType.GROUP, "ann", [], room_id="second", name=None)
    counter.ask(counter.client("bob"), "join-chat-rooms", {"roomIds": [ROOM]})  # so that this one needs no reading
    counter.server.broker.fault = BrokerUnavailable("read log")
    ann = counter.client()
    [ack] = counter.ask(ann, "join-chat-rooms", {"roomIds": [ROOM, "second"]})
    assert ack["data"]["error"]["code"] == "unavailable"
    assert ann.session.rooms == set()
    assert ann.session not in counter.server.hub.rooms[ROOM].listeners


@pytest.mark.parametrize(
    ("event", "data", "result", "done"),
    [
        (
            "edit-chat-message",
            {"messageId": f"{ROOM}.7.abcd1234", "content": "ho"},
            {"message": {"content": "ho"}},
            ("edit", "ann", 7, "ho"),
        ),
        (
            "delete-chat-message",
            {"message_id": f"{ROOM}.7.abcd1234"},
            {"messageId": f"{ROOM}.7.abcd1234"},
            ("delete", "ann", 7),
        ),
        (
            "react-chat-message",
            {"messageId": f"{ROOM}.7.abcd1234", "emoji": "👍", "remove": False},
            {"action": "added", "reactions": {"👍": ["ann"]}},
            ("react", "ann", 7, "👍", False),
        ),
    ],
)
def test_an_amendment_is_answered_when_a_member_asks(counter, event, data, result, done):
    [told] = counter.ask(counter.client(), event, data)
    assert (told["data"]["ok"], told["data"]["result"]) == (True, result)
    assert counter.amended == [done]


@pytest.mark.parametrize("event", ["edit-chat-message", "delete-chat-message", "react-chat-message"])
def test_an_amendment_is_refused_when_a_stranger_asks(counter, event):
    data = {"messageId": "closed.1.abcd1234", "content": "x", "emoji": "x"}
    [told] = counter.ask(counter.client(), event, data)
    assert told["data"]["error"]["code"] == "not-a-member"
    assert counter.amended == []


def test_a_join_tells_how_far_one_has_read(counter):
    def standings(session, room_ids):
        return {room_id: {"read_seq": 3, "unread": len(session.user_id)} for room_id in room_ids}

    counter.dispatcher = replace(counter.dispatcher, standings=standings)
    (told,) = counter.ask(counter.client(), "join-chat-rooms", {"roomIds": [ROOM]})
    joined = told["data"]["result"]["rooms"][ROOM]
    assert (joined["read_seq"], joined["unread"], joined["recovered"]) == (3, 3, False)


def test_no_room_is_joined_when_it_can_not_be_told_how_far_one_has_read(counter):
    def fail(*_):
        raise BrokerUnavailable("count unread")

    counter.dispatcher = replace(counter.dispatcher, standings=fail)
    ann = counter.client()
    (told,) = counter.ask(ann, "join-chat-rooms", {"roomIds": [ROOM]})
    assert told["data"]["error"]["code"] == "unavailable"
    assert ann.session.rooms == set()


def test_commands_of_other_modules_are_passed_on_quick_or_slow(counter):
    seen: list[str] = []

    def quick(session, command):
        seen.append("quick")
        return command.data.is_on

    def slow(session, command):
        seen.append("slow")
        return {"done": True}

    routes = {commands.Typing: quick}, {commands.Typing: slow}
    counter.dispatcher = replace(counter.dispatcher, quick=routes[0], slow=routes[1])
    ann = counter.client()
    assert counter.ask(ann, "chat-typing", {"roomId": ROOM, "isTyping": True}) == []
    (told,) = counter.ask(ann, "chat-typing", {"room_id": ROOM, "is_typing": False})
    assert told["data"]["result"] == {"done": True}
    assert seen[0] == "quick"
    assert seen[-1] == "slow"


def test_who_sends_or_leaves_stops_typing(counter):
    heard: list[str] = []
    hooks = {name: lambda _session, room_id, name=name: heard.append(name) for name in ("on_sent", "on_left")}
    counter.dispatcher = replace(counter.dispatcher, **hooks)
    ann = counter.client()
    counter.ask(ann, "join-chat-rooms", {"roomIds": [ROOM]})
    counter.ask(ann, "send-chat-message", {"roomId": ROOM, "content": "hi"})
    counter.ask(ann, "leave-chat-rooms", {"roomIds": [ROOM, "other"]})
    assert heard == ["on_sent", "on_left"]
