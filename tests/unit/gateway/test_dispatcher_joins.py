"""Joining and leaving rooms: where one stands, what one missed, and when one is refused."""

from __future__ import annotations

from dataclasses import replace

from chat.errors import BrokerUnavailable
from chat.gateway.rate import JoinRate
from chat.model.room import RoomType
from tests.support.local_server import ROOM


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


def test_one_hears_which_rooms_were_left_when_one_leaves(counter):
    ann = counter.client()
    counter.ask(ann, "join-chat-rooms", {"roomIds": [ROOM]})
    [ack] = counter.ask(ann, "leave-chat-rooms", {"roomIds": [ROOM, "closed"]})
    assert ack["data"]["result"] == {"roomIds": [ROOM]}
    assert counter.server.hub.rooms[ROOM].is_empty


def test_no_room_is_joined_when_one_of_them_cannot_be_read(counter):
    counter.rooms.create(RoomType.GROUP, "ann", [], room_id="second", name=None)
    counter.ask(counter.client("bob"), "join-chat-rooms", {"roomIds": [ROOM]})  # so that this one needs no reading
    counter.server.broker.fault = BrokerUnavailable("read log")
    ann = counter.client()
    [ack] = counter.ask(ann, "join-chat-rooms", {"roomIds": [ROOM, "second"]})
    assert ack["data"]["error"]["code"] == "unavailable"
    assert ann.session.rooms == set()
    assert ann.session not in counter.server.hub.rooms[ROOM].listeners


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
