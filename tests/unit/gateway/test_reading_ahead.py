"""Who comes in the same moment is read for at once, and nobody waits for it."""

from __future__ import annotations

from chat.errors import StoreUnavailable
from chat.gateway.reading_ahead import LIMIT, ReadingAhead


def test_all_who_came_are_read_at_once_and_each_once():
    reads = []
    ahead = ReadingAhead(lambda users: reads.append(list(users)))
    for user_id in ("ann", "bob", "ann"):
        ahead(user_id)
    ahead.flush()
    assert reads == [["ann", "bob"]]


def test_nothing_is_tried_again_when_the_store_is_away():
    reads = []

    def read(users):
        reads.append(list(users))
        raise StoreUnavailable("get")

    ahead = ReadingAhead(read)
    ahead("ann")
    ahead.flush()
    ahead("bob")
    ahead.flush()
    assert reads == [["ann"], ["bob"]]


def test_those_who_wait_are_bounded_when_the_store_is_slow():
    reads = []
    ahead = ReadingAhead(lambda users: reads.append(len(users)))
    for number in range(LIMIT + 10):
        ahead(f"u{number}")
    ahead.flush()
    assert reads == [LIMIT]
