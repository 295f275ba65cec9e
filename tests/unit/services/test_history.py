from __future__ import annotations

import json
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.broker.base import Accepted, OutboxEntry
from chat.model.message import message_key
from chat.model.publication import Confirmed, Passing, read_room
from chat.services import history
from chat.services.history import History, Page
from chat.store.base import Kind
from chat.store.sqlite import SqliteStore
from tests.support.drafts import draft
from tests.support.memory import MemoryBroker
from tests.support.rooms import Ears, Room

ROOM = "room456"
STATES = st.lists(st.sampled_from(["stored", "stored", "waiting", "hole"]), max_size=40)


class Past:
    """A room whose numbers are stored, waiting or retracted."""

    def __init__(self, store: SqliteStore, states: list[str], room_id: str = ROOM) -> None:
        self.store, self.room_id = store, room_id
        self.broker = MemoryBroker()
        self.broker.warm(room_id, 0, [])
        self.there = {seq: state for seq, state in enumerate(states, 1) if state != "hole"}
        for seq, state in enumerate(states, 1):
            self.broker.accept(draft(f"t{seq}", room_id))
            if state == "hole":
                self.broker.retract(room_id, seq)
            elif state == "stored":
                self.save(seq)
        self.history = History(self.broker, store, self.broker.read)

    def save(self, seq: int) -> None:
        self.store.insert(Kind.MESSAGE, message_key(self.room_id, seq), b'{"seq":%d}' % seq)
        self.broker.confirm(self.room_id, seq)

    def page(self, limit: int, **where: int) -> tuple[list[int], bool]:
        return shown(self.history.page(self.room_id, limit, **where))


def shown(page: Page) -> tuple[list[int], bool]:
    return [json.loads(each)["seq"] for each in page.messages], page.has_more


@pytest.fixture
def store(tmp_path):
    store = SqliteStore(tmp_path / "chat.db")
    yield store
    store.close()


@pytest.fixture(scope="module")
def big_store(tmp_path_factory):
    store = SqliteStore(tmp_path_factory.mktemp("store") / "chat.db")
    yield store
    store.close()


ROOMS = iter(range(10**9))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(states=STATES, limit=st.integers(1, 12), at=st.integers(0, 45))
def test_a_page_is_what_a_plain_list_would_give_when_numbers_are_stored_waiting_or_retracted(
    big_store, states, limit, at
):
    past = Past(big_store, states, f"r{next(ROOMS)}")
    there = sorted(past.there)
    assert past.page(limit) == (there[-limit:], len(there) > limit)
    older = [seq for seq in there if seq < at]
    assert past.page(limit, before=at) == (older[-limit:], len(older) > limit)
    newer = [seq for seq in there if seq > at]
    assert past.page(limit, after=at) == (newer[:limit], len(newer) > limit)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(states=STATES, limit=st.integers(1, 7))
def test_all_messages_come_once_when_one_pages_to_the_end_either_way(big_store, states, limit):
    past = Past(big_store, states, f"r{next(ROOMS)}")
    back: list[int] = []
    where: dict[str, int] = {}
    has_more = True
    while has_more:
        seqs, has_more = past.page(limit, **where)
        back = seqs + back
        where = {"before": seqs[0]} if seqs else where
    forth: list[int] = []
    has_more = True
    while has_more:
        seqs, has_more = past.page(limit, after=forth[-1] if forth else 0)
        forth += seqs
    assert back == forth == sorted(past.there)


def test_nothing_more_is_promised_when_only_retracted_numbers_follow(store):
    past = Past(store, [*["hole"] * 5, "stored", "stored", *["hole"] * 5])
    for limit in (1, 2, 3):
        assert past.page(limit, after=0) == ([6, 7][:limit], limit < 2)
        assert past.page(limit, before=99) == ([6, 7][-limit:], limit < 2)
    assert past.page(1, after=6) == ([7], False)
    assert past.page(1, before=7) == ([6], False)


def test_a_page_is_between_both_when_before_and_after_are_given(store):
    past = Past(store, ["stored"] * 9)
    assert past.page(2, after=3, before=8) == ([4, 5], True)
    assert past.page(4, after=3, before=8) == ([4, 5, 6, 7], False)
    assert past.page(4, after=7, before=8) == ([], False)


def test_messages_say_whether_they_are_stored_when_they_are_shown(store):
    past = Past(store, ["stored", "waiting"])
    durable, temp = (json.loads(each) for each in past.history.page(ROOM, 5).messages)
    assert (durable["_temp"], temp["_temp"]) == (False, True)
    assert temp["id"] == f"{ROOM}.2.{past.broker.heads[ROOM].epoch}"
    assert temp["content"] == "says t2"


def test_one_read_is_enough_when_nothing_was_retracted(store):
    past = Past(store, ["stored"] * 30)
    before = store.round_trips
    assert past.page(10) == (list(range(21, 31)), True)
    assert store.round_trips - before == 1


@pytest.mark.parametrize("limit", [1, 50])
def test_a_long_run_of_retracted_numbers_is_crossed_when_the_store_was_away_for_long(store, limit):
    past = Past(store, ["stored", *["hole"] * 5000, "stored"])
    assert past.page(limit, before=5002) == ([1], False)
    assert past.page(limit, after=1) == ([5002], False)


def test_a_page_ends_and_says_so_when_a_run_is_longer_than_all_reads(store, monkeypatch):
    monkeypatch.setattr(history, "READS", 3)
    monkeypatch.setattr(history, "NUMBERS_PER_READ", 4)
    past = Past(store, ["stored", *["hole"] * 20, "stored"])
    assert past.page(1, before=22) == ([], True)


def test_a_message_is_found_when_it_is_stored_between_the_two_reads(store):
    past = Past(store, ["stored", "waiting"])
    waiting = past.broker.waiting

    def stored_just_now(room_id, seqs):
        past.save(2)
        return waiting(room_id, seqs)

    past.broker.waiting = stored_just_now  # type: ignore[method-assign]
    messages = past.history.page(ROOM, 5).messages
    assert [json.loads(each)["_temp"] for each in messages] == [False, False]


# The twin that these tests trust answers as the scripts do on a real server.
ACTIONS = st.lists(st.tuples(st.sampled_from(["accept", "confirm", "retract"]), st.integers(1, 6)), max_size=14)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(actions=ACTIONS, data=st.data())
def test_the_twin_answers_as_redis_does_when_both_are_asked_the_same(redis_url, actions, data):
    client = redis.Redis.from_url(redis_url, socket_timeout=5)
    twin = MemoryBroker()
    room = Room(client, f"room{next(ROOMS)}").warm()
    twin.warm(room.room_id, 0, [])
    epochs = (room.epoch, twin.heads[room.room_id].epoch)
    ears = Ears(client)
    entries: dict[int, OutboxEntry] = {}
    for action, n in actions:
        if action == "accept":
            [_, _, told] = room.accept(f"t{n}")
            outcome = twin.accept(draft(f"t{n}", room.room_id))
            assert told.startswith("accepted") == isinstance(outcome, Accepted)
            entries |= {each.first_seq: each for each in room.take()}
        elif n in twin.outbox.get(room.room_id, {}):
            if action == "confirm":
                room.confirm(entries[n])
                twin.confirm(room.room_id, n)
            else:
                room.retract(entries[n], n, retryable=n % 2 == 0)
                twin.retract(room.room_id, n, retryable=n % 2 == 0)

    def plain(value: Any) -> str:
        return repr(value).replace(epochs[0], "EPOCH").replace(epochs[1], "EPOCH")

    offset = data.draw(st.integers(0, 16))
    temp_ids = [("ann", f"t{n}") for n in range(8)]
    real, mine = room.reader.read(room.room_id, epochs[0], offset), twin.read(room.room_id, epochs[1], offset)
    assert plain((real.status, real.offset, real.seq, sorted(real.waiting))) == plain(
        (mine.status, mine.offset, mine.seq, sorted(mine.waiting))
    )
    assert [outline(room.room_id, each) for each in real.events] == [
        outline(room.room_id, each) for each in mine.events
    ]
    assert plain(room.reader.fates(room.room_id, temp_ids)) == plain(twin.fates(room.room_id, temp_ids))
    assert room.reader.waiting(room.room_id, range(20)).keys() == twin.waiting(room.room_id, range(20)).keys()
    published = [payload for channel, payload in ears.heard() if channel.startswith("chat:room:")]
    assert [outline(room.room_id, each) for each in published] == [
        outline(room.room_id, payload) for _, payload in twin.published
    ]
    ears.close()
    client.close()


def outline(room_id: str, payload: bytes) -> Any:
    found = read_room(room_id, payload)
    if isinstance(found, Confirmed):
        return found.messages
    assert not isinstance(found, Passing)
    origins = [(each.seq, each.temp_id) for each in found.origins]
    return found.kind, found.first_offset, origins, len(found.frames)
