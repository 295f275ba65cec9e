from __future__ import annotations

import pytest

from chat.broker.base import Accepted, Duplicate, LogRead, Overloaded
from chat.errors import ChatError, RoomNotFound, StoreUnavailable
from chat.services.accept import AcceptService
from tests.support.drafts import draft
from tests.support.memory import MemoryBroker


class Service:
    """An AcceptService whose warming runs when the test says so."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.broker = MemoryBroker()
        self.fault = fault
        self.spawned: list[str] = []
        self.outcomes: list[tuple[str, object]] = []
        self.service = AcceptService(self.broker, self._warm, lambda run, room_id: self._spawn(run, room_id))

    def submit(self, temp_id: str, room_id: str = "room456") -> None:
        self.service.submit(draft(temp_id, room_id), lambda outcome: self.outcomes.append((temp_id, outcome)))

    def warm(self) -> None:
        """Run what was spawned."""
        while self.spawned:
            self._runs.pop(0)(self.spawned.pop(0))

    def accepted(self) -> list[tuple[str, int]]:
        return [(temp_id, each.seq) for temp_id, each in self.outcomes if isinstance(each, Accepted)]

    def _warm(self, room_id: str) -> LogRead:
        if self.fault is not None:
            raise self.fault
        return self.broker.warm(room_id, 41, [("ann", "old", 7, "e0")])

    def _spawn(self, run, room_id):
        self._runs = [*getattr(self, "_runs", []), run]
        self.spawned.append(room_id)


def test_a_draft_is_numbered_when_the_room_is_warm():
    each = Service()
    each._warm("room456")
    each.submit("t1")
    each.submit("t2")
    each.broker.answer()
    assert each.accepted() == [("t1", 42), ("t2", 43)]
    assert each.spawned == []


def test_a_room_is_warmed_once_and_all_keep_their_order_when_it_is_cold():
    each = Service()
    for temp_id in ("t1", "t2"):
        each.submit(temp_id)
    each.broker.answer()
    assert (each.spawned, each.outcomes) == (["room456"], [])
    each.submit("t3")  # while it is being warmed
    each.broker.answer()
    assert (each.spawned, each.outcomes) == (["room456"], [])
    each.warm()
    each.submit("t4")
    each.broker.answer()
    assert each.accepted() == [("t1", 42), ("t2", 43), ("t3", 44), ("t4", 45)]


def test_other_rooms_do_not_wait_when_one_is_cold():
    each = Service()
    each.broker.warm("other", 0, [])
    each.submit("t1")
    each.submit("t2", "other")
    each.broker.answer()
    assert each.accepted() == [("t2", 1)]


def test_a_resend_is_a_duplicate_when_the_store_knew_it():
    each = Service()
    each.submit("old")
    each.broker.answer()
    each.warm()
    each.broker.answer()
    assert each.outcomes == [("old", Duplicate("confirmed", 7, "e0"))]


@pytest.mark.parametrize("fault", [StoreUnavailable("get"), RoomNotFound("there is no room")])
def test_everyone_who_waits_is_told_when_a_room_cannot_be_warmed(fault):
    each = Service(fault)
    each.submit("t1")
    each.submit("t2")
    each.broker.answer()
    each.submit("t3")
    each.warm()
    assert each.outcomes == [("t1", fault), ("t2", fault), ("t3", fault)]


def test_the_room_is_tried_again_when_warming_failed_before():
    each = Service(StoreUnavailable("get"))
    each.submit("t1")
    each.broker.answer()
    each.warm()
    each.fault = None
    each.submit("t1")
    each.broker.answer()
    each.warm()
    each.broker.answer()
    assert each.accepted() == [("t1", 42)]


def test_nobody_waits_for_ever_when_warming_fails_in_an_unforeseen_way():
    each = Service(ValueError("a document that can't be read"))
    each.submit("t1")
    each.broker.answer()
    with pytest.raises(ValueError, match="can't be read"):
        each.warm()
    [(temp_id, error)] = each.outcomes
    assert temp_id == "t1"
    assert isinstance(error, ChatError)
    assert (error.code, error.temporary) == ("internal", False)
    each.submit("t2")
    each.broker.answer()
    assert each.spawned == ["room456"]


def test_the_sender_hears_of_it_when_the_outbox_is_full():
    each = Service()
    each._warm("room456")
    each.broker.outbox_limit = 0
    each.submit("t1")
    each.broker.answer()
    assert each.outcomes == [("t1", Overloaded())]


@pytest.mark.parametrize("is_cold", [True, False])
def test_a_message_is_on_its_way_until_it_has_an_outcome(is_cold):
    each = Service()
    if not is_cold:
        each._warm("room456")
    each.submit("t1")
    if is_cold:
        each.broker.answer()  # it waits for the room to be warmed
    places = [("room456", "ann"), ("room456", "*"), ("room456", "bob"), ("other", "ann"), ("other", "*")]
    assert [each.service.is_sending(*place) for place in places] == [True, True, False, False, False]
    each.warm()
    each.broker.answer()
    assert not each.service.is_sending("room456", "*")


def test_those_who_ask_hear_of_each_message_once_and_behind_its_sender():
    each, heard = Service(), []
    each.service._on_accepted = lambda of, place: heard.append((of.temp_id, place.seq, len(each.outcomes)))
    for temp_id in ("t1", "t2", "t1"):  # in a cold room, and a repeat
        each.submit(temp_id)
    each.broker.answer()
    each.warm()
    each.broker.answer()
    assert heard == [("t1", 42, 1), ("t2", 43, 2)]
