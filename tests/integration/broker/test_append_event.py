"""append_event.lua on a real server: an event that is no message has its place in the log like one."""

from __future__ import annotations

import json
import time

import pytest
import redis

from chat.broker import keys
from chat.broker.base import Appended, Cold, DurableEvent, Intent, Stale
from chat.broker.events import RedisEvents
from chat.errors import OutboxFull
from chat.model.events import split_frame
from chat.model.publication import RoomEvents, read_members_change, read_room
from tests.support.rooms import Ears, Room

INTENT = Intent("room-updated", "room456", "room456", "renamed:", "t0k")


def event(revision: int = 1, *, subject: str = "room456", cut: str = "-", **more) -> DurableEvent:
    head, tail = split_frame("room-updated", {"roomId": "room456", "revision": revision})
    return DurableEvent("room456", "room-updated", subject, revision, head, tail, cut, **more)


@pytest.fixture
def events(client: redis.Redis) -> RedisEvents:
    return RedisEvents(client, log_length=1000, node_id="n0de")


def test_an_event_is_logged_and_published_under_the_next_offset_when_the_room_is_warm(
    room: Room, events: RedisEvents, ears: Ears
) -> None:
    room.accept("t1", "t2")
    ears.heard()
    assert events.append(event(4, cut="bob")) == Appended(room.epoch, 3)
    [(channel, payload)] = ears.heard()
    assert channel == keys.room_channel("room456")
    assert payload.startswith(f"event {room.epoch} 3 1 room-updated room456 4\nbob\n".encode())
    assert json.loads(payload.split(b"\n")[2]) == {
        "event": "room-updated",
        "data": {"roomId": "room456", "revision": 4, "offset": 3},
    }
    assert room.client.xrevrange(room.log, count=1) == [(b"3-0", {b"e": payload})]
    assert room.accept("t3")[2] == "accepted 3 4"
    assert 3500 < room.client.ttl(keys.announced("room456", "room456")) <= 3600
    assert 86_000 < room.client.ttl(room.log) <= 86_400


def test_the_log_tells_it_in_its_place_when_it_is_read(room: Room, events: RedisEvents) -> None:
    room.accept("t1")
    events.append(event(1))
    room.accept("t2")
    read = room.reader.read("room456", room.epoch, 0)
    assert (read.status, read.offset, read.waiting) == ("complete", 3, frozenset({1, 2}))
    found = [each for payload in read.events if isinstance(each := read_room("room456", payload), RoomEvents)]
    assert [(each.kind, each.first_offset) for each in found] == [("new", 1), ("event", 2), ("new", 3)]
    assert room.reader.read("room456", room.epoch, 1).events == read.events[1:]


def test_nothing_is_written_when_the_room_is_cold(client: redis.Redis, events: RedisEvents, ears: Ears) -> None:
    events.intend(INTENT)
    assert events.append(event(), INTENT) == Cold()
    assert ears.heard() == []
    assert events.overdue(-1) == [INTENT]


def test_an_older_state_is_refused_when_a_newer_was_told(room: Room, events: RedisEvents, ears: Ears) -> None:
    events.intend(INTENT)
    assert isinstance(events.append(event(5)), Appended)
    ears.heard()
    before = room.contents()
    assert events.append(event(4), INTENT) == Stale(5)
    assert room.contents() == before
    assert ears.heard() == []
    assert events.append(event(5), INTENT) == Appended(room.epoch, 2)
    assert events.append(event(1, subject="room456.1.e"), INTENT) == Appended(room.epoch, 3)


def test_every_server_is_told_before_the_room_when_members_change(
    room: Room, events: RedisEvents, ears: Ears
) -> None:
    outcome = events.append(event(cut="bob", told=["bob", "ann"], is_for_servers=True), token="t1")
    assert outcome == Appended(room.epoch, 1, 1, "t1")  # the ears
    (first, told), (second, _) = ears.heard()
    assert (first, second) == (keys.MEMBERS_CHANNEL, keys.room_channel("room456"))
    change = read_members_change(told)
    assert change is not None
    assert change[:5] == ("room456", "bob", "t1", "n0de", ["bob", "ann"])
    assert json.loads(change.frame)["data"]["offset"] == 1


def test_receivers_are_counted_when_servers_listen(room: Room, events: RedisEvents) -> None:
    with room.client.pubsub() as one, room.client.pubsub() as other:
        for each in (one, other):
            each.subscribe(keys.MEMBERS_CHANNEL)
            assert each.get_message(timeout=5)
        outcome = events.append(event(is_for_servers=True), token="t1")
    assert isinstance(outcome, Appended)
    assert outcome.receivers == 2


def test_the_note_goes_with_the_telling_and_no_other_when_an_event_is_appended(
    room: Room, events: RedisEvents
) -> None:
    other = Intent("room-updated", "room456", "room456", "renamed:", "0ther")
    events.intend(INTENT)
    events.intend(other)
    events.append(event(), INTENT)
    assert events.overdue(-1) == [other]
    events.forget(other)
    assert room.client.exists(keys.intents(room.shard)) == 0


def test_a_note_is_overdue_when_its_time_is_over(client: redis.Redis, events: RedisEvents) -> None:
    events.intend(INTENT)
    assert events.overdue(60) == []
    assert events.count_overdue(60) == 0
    client.zadd(keys.intents(keys.shard_of("room456")), {f"{' '.join(_words(INTENT))}": (time.time() - 61) * 1000})
    assert events.overdue(60) == [INTENT]
    assert events.count_overdue(60) == 1


def test_notes_are_refused_when_nobody_sweeps_them(
    client: redis.Redis, events: RedisEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.broker.events.INTENT_LIMIT", 1)
    events.intend(INTENT)
    with pytest.raises(OutboxFull):
        events.intend(Intent("room-updated", "room456", "room456", "renamed:", "0ther"))
    assert events.overdue(-1) == [INTENT]


def test_the_oldest_events_go_when_the_log_is_long(client: redis.Redis, room: Room) -> None:
    events = RedisEvents(client, log_length=100)
    for revision in range(1, 2001):
        events.append(event(revision))
    assert client.xlen(room.log) < 400
    assert room.reader.read("room456", room.epoch, 1).status == "trimmed"
    assert len(room.reader.read("room456", room.epoch, 1950).events) == 50


@pytest.mark.parametrize("broken", ["head", "log", "announced", "intents"])
def test_nothing_is_half_done_when_a_key_has_a_wrong_type(
    room: Room, events: RedisEvents, ears: Ears, broken: str
) -> None:
    own = {"announced": keys.announced("room456", "room456"), "intents": keys.intents(room.shard)}
    key = own.get(broken) or getattr(room, broken)
    room.client.delete(key)
    if broken == "announced":
        room.client.sadd(key, "not yours")
    else:
        room.client.set(key, "not yours")
    before = room.contents()
    with pytest.raises(Exception, match="did not answer"):
        events.append(event(), INTENT)
    assert room.contents() == before
    assert ears.heard() == []


def _words(intent: Intent) -> list[str]:
    return [intent.name, intent.room_id, intent.subject, intent.detail, intent.token]
