from __future__ import annotations

import json

import pytest

from chat.broker.base import Accepted, Duplicate
from chat.errors import RoomNotFound
from chat.model.message import message_key
from chat.services import cold_start
from chat.services.cold_start import ColdStart
from chat.store.base import Kind
from chat.store.sqlite import SqliteStore
from tests.support.drafts import draft
from tests.support.memory import MemoryBroker

ROOM = "room456"


@pytest.fixture
def store(tmp_path):
    store = SqliteStore(tmp_path / "chat.db")
    yield store
    store.close()


def put_room(store, last_seq):
    body = {
        "id": ROOM,
        "type": "group",
        "name": None,
        "created_at": "x",
        "created_by": "ann",
        "last_seq": last_seq,
    }
    store.insert(Kind.ROOM, ROOM, json.dumps(body).encode())


def put(store, *seqs, epoch="e0"):
    for seq in seqs:
        body = {
            "id": f"{ROOM}.{seq}.{epoch}",
            "seq": seq,
            "sender_id": "ann",
            "temp_id": f"t{seq}",
            "content": "x",
        }
        store.insert(Kind.MESSAGE, message_key(ROOM, seq), json.dumps(body).encode())


def test_a_new_room_starts_at_one_when_it_is_warmed(store):
    put_room(store, 0)
    broker = MemoryBroker()
    at = ColdStart(broker, store).locate(ROOM)
    assert (at.status, at.seq, at.offset) == ("position", 0, 0)
    assert broker.accept(draft("t1")) == Accepted(1, at.epoch, 1)


def test_numbering_goes_on_when_messages_were_stored(store):
    put_room(store, 3)
    put(store, 1, 2, 3)
    broker = MemoryBroker()
    assert ColdStart(broker, store).locate(ROOM).seq == 3
    assert isinstance(broker.accept(draft("new")), Accepted)
    assert broker.heads[ROOM].seq == 4


@pytest.mark.parametrize("stored", [[4], [4, 5, 6], [5, 6], [cold_start.PROBE + 3]])
def test_no_number_is_given_twice_when_last_seq_was_raised_late(store, stored):
    put_room(store, 3)
    put(store, 1, 2, 3, *stored)
    assert ColdStart(MemoryBroker(), store).locate(ROOM).seq == max(stored)


def test_the_last_one_is_found_when_more_than_one_probe_is_behind(store, monkeypatch):
    monkeypatch.setattr(cold_start, "PROBE", 3)
    put_room(store, 0)
    put(store, *range(1, 11))
    assert ColdStart(MemoryBroker(), store).locate(ROOM).seq == 10


def test_a_resend_is_a_duplicate_when_the_store_has_the_first(store):
    put_room(store, 2)
    put(store, 1, 2, 3, epoch="e7")
    broker = MemoryBroker()
    ColdStart(broker, store).locate(ROOM)
    assert broker.accept(draft("t2")) == Duplicate("confirmed", 2, "e7")
    assert broker.accept(draft("t3")) == Duplicate("confirmed", 3, "e7")
    assert isinstance(broker.accept(draft("t2", sender_id="bob")), Accepted)


def test_the_newest_are_known_when_there_are_too_many(store, monkeypatch):
    monkeypatch.setattr(cold_start, "REMEMBERED", 3)
    put_room(store, 6)
    put(store, *range(1, 9))
    broker = MemoryBroker()
    ColdStart(broker, store).locate(ROOM)
    assert sorted(temp_id for _, _, temp_id in broker.dedupe) == ["t6", "t7", "t8"]


def test_holes_do_not_matter_when_numbers_were_retracted(store):
    put_room(store, 9)
    put(store, 2, 5)
    broker = MemoryBroker()
    assert ColdStart(broker, store).locate(ROOM).seq == 9
    assert sorted(temp_id for _, _, temp_id in broker.dedupe) == ["t2", "t5"]


def test_the_store_is_not_asked_when_the_room_is_warm(store):
    broker = MemoryBroker()
    broker.warm(ROOM, 5, [])
    assert ColdStart(broker, store).locate(ROOM).seq == 5
    assert store.round_trips == 0


def test_the_first_start_is_kept_when_two_servers_warm_at_once(store):
    put_room(store, 0)
    broker = MemoryBroker()
    one, other = ColdStart(broker, store), ColdStart(broker, store)
    assert one.warm(ROOM).epoch == other.warm(ROOM).epoch


def test_a_room_that_does_not_exist_is_not_found_when_it_is_located(store):
    with pytest.raises(RoomNotFound) as caught:
        ColdStart(MemoryBroker(), store).locate(ROOM)
    assert caught.value.field == "roomId"
