from __future__ import annotations

import pytest

from chat.broker.base import LogRead
from chat.errors import RoomNotFound
from chat.services.fates import Fates
from tests.support.drafts import draft
from tests.support.memory import MemoryBroker

ROOM = "room456"


@pytest.fixture
def broker():
    broker = MemoryBroker()
    broker.warm(ROOM, 0, [])
    return broker


def fates_of(broker, *temp_ids, sender="ann"):
    return Fates(broker, broker.read).of(ROOM, sender, temp_ids)


def test_each_temp_id_has_its_fate_when_asked(broker):
    for n in range(1, 5):
        broker.accept(draft(f"t{n}"))
    broker.confirm(ROOM, 2)
    broker.retract(ROOM, 3)
    broker.retract(ROOM, 4, retryable=True)
    epoch = broker.heads[ROOM].epoch

    def failed(seq, is_retryable):
        error = {"code": "refused", "message": "too sad", "retryable": is_retryable}
        return {"state": "failed", "id": f"{ROOM}.{seq}.{epoch}", "seq": seq, "error": error}

    assert fates_of(broker, "t1", "t2", "t3", "t4", "t5") == {
        "t1": {"state": "pending", "id": f"{ROOM}.1.{epoch}", "seq": 1},
        "t2": {"state": "confirmed", "id": f"{ROOM}.2.{epoch}", "seq": 2},
        "t3": failed(3, False),
        "t4": failed(4, True),
        "t5": {"state": "unknown"},
    }


def test_anothers_messages_are_unknown_when_their_temp_ids_are_guessed(broker):
    broker.accept(draft("t1"))
    assert fates_of(broker, "t1", sender="eve") == {"t1": {"state": "unknown"}}


def test_nothing_is_told_when_nothing_is_asked(broker):
    assert fates_of(broker) == {}


def test_a_stored_message_is_known_when_redis_lost_it(broker):
    broker.accept(draft("t1"))
    broker.lose_everything()

    def locate(room_id: str) -> LogRead:
        return broker.warm(room_id, 1, [("ann", "t1", 1, "e0")])

    assert Fates(broker, locate).of(ROOM, "ann", ["t1", "t2"]) == {
        "t1": {"state": "confirmed", "id": f"{ROOM}.1.e0", "seq": 1},
        "t2": {"state": "unknown"},
    }


def test_the_room_is_not_found_when_there_is_none(broker):
    def locate(room_id: str) -> LogRead:
        raise RoomNotFound(room_id)

    with pytest.raises(RoomNotFound):
        Fates(broker, locate).of("nowhere", "ann", ["t1"])
