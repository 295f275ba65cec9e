"""What has to be counted anew is passed on once, and nothing is lost while Redis is away."""

from __future__ import annotations

import pytest

from chat.errors import BrokerUnavailable
from chat.gateway.recounter import LIMIT, Recounter


class Books:
    """Marks and wake-ups as they come."""

    def __init__(self) -> None:
        self.marked: list[str] = []
        self.wakes = 0
        self.counters: dict[str, set[str]] = {}
        self.is_away = False
        self.recounter = Recounter(self, self._have, self._wake)

    def mark(self, what):
        if self.is_away:
            raise BrokerUnavailable("mark recount")
        self.marked += what

    def _have(self, user_id, room_ids):
        return user_id in self.counters and set(room_ids) <= self.counters[user_id]

    def _wake(self):
        self.wakes += 1


@pytest.fixture
def books() -> Books:
    return Books()


def test_many_askings_are_one_mark_and_one_wake_up(books):
    for _ in range(3):
        books.recounter.seen("ann", "r1")
        books.recounter.asked("bob")
        books.recounter.changed("r2")
    books.recounter.flush()
    assert books.marked == ["s ann r1", "u bob", "r r2"]
    assert books.wakes == 1


def test_who_came_or_went_is_counted_and_everybody_when_a_room_ended(books):
    books.recounter.moved("ann", "r1")
    books.recounter.moved("*", "r2")
    books.recounter.flush()
    assert books.marked == ["m ann r1", "r r2"]


def test_nothing_is_counted_when_the_counters_are_there(books):
    books.counters["bob"] = {"r1", "r2"}
    books.recounter.asked("bob", ["r1", "r2"])
    books.recounter.flush()
    assert books.marked == []
    assert books.wakes == 0


def test_all_are_counted_when_the_counter_of_one_room_is_missing(books):
    books.counters["bob"] = {"r1"}
    books.recounter.asked("bob", ["r1", "r2"])
    books.recounter.flush()
    assert books.marked == ["u bob"]


def test_it_is_asked_again_when_redis_was_away(books):
    books.is_away = True
    books.recounter.seen("ann", "r1")
    with pytest.raises(BrokerUnavailable):
        books.recounter.flush()
    books.is_away = False
    books.recounter.seen("ann", "r2")
    books.recounter.flush()
    assert books.marked == ["s ann r1", "s ann r2"]


def test_askings_are_bounded_when_redis_stays_away(books):
    for number in range(LIMIT + 10):
        books.recounter.seen("ann", f"r{number}")
    books.recounter.flush()
    assert len(books.marked) == LIMIT
