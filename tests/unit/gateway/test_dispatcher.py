"""What a client's frames do: in their order, once, and answered."""

from __future__ import annotations

from dataclasses import replace

import gevent
import pytest
from gevent.event import Event

from chat.gateway.rate import UserRate
from chat.gateway.session import INBOX_LIMIT
from chat.protocol import commands
from tests.support.greenlets import turn
from tests.support.local_server import ROOM


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


class Asking(UserRate):
    """Has every second message wait until others were asked."""

    def __init__(self) -> None:
        super().__init__(0)
        self.asked: list[str] = []
        self.sent = 0

    def must_ask(self, _user_id: str) -> bool:
        return self.sent > len(self.asked) * 2 + 1

    def ask(self, user_id: str) -> None:
        gevent.sleep(0)
        self.asked.append(user_id)

    def take(self, _user_id: str) -> None:
        self.sent += 1


def test_messages_keep_their_order_when_other_servers_are_asked_between_them(counter):
    ann, rate = counter.client(), Asking()
    counter.ask(ann, "send-chat-message", {"roomId": ROOM, "content": "x", "temp_id": "t0"})
    counter.dispatcher = replace(counter.dispatcher, sending=replace(counter.dispatcher.sending, rate=rate))
    for n in range(1, 7):
        counter.say(ann, "send-chat-message", {"roomId": ROOM, "content": "x", "temp_id": f"t{n}"}, ack=n)
    turn()
    acks = [each["data"]["ack"] for each in counter.answers(ann) if each["event"] == "ack"]
    assert acks == [1, 2, 3, 4, 5, 6]
    assert rate.asked == ["ann", "ann"]
