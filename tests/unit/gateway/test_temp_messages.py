"""What was accepted is shown behind the accept step, in batches, and nobody waits for Redis."""

from __future__ import annotations

import pytest

from chat.broker.base import Accepted
from chat.errors import BrokerUnavailable
from chat.gateway.temp_messages import BATCH, WAITING, TempMessages
from tests.support.drafts import draft


class Board:
    """Batches as they come."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.is_away = False
        self.messages = TempMessages(self)

    def show(self, accepted):
        if self.is_away:
            raise BrokerUnavailable("show")
        self.batches.append([each.temp_id for each, _ in accepted])

    def accept(self, count: int) -> None:
        for number in range(count):
            self.messages.accepted(draft(f"t{number}"), Accepted(number, "e1", number))


@pytest.fixture
def board() -> Board:
    return Board()


def test_what_was_accepted_meanwhile_goes_together(board):
    board.accept(3)
    assert board.batches == []
    board.messages.flush()
    assert board.batches == [["t0", "t1", "t2"]]


def test_a_flood_goes_in_bounded_batches_and_only_its_newest_part(board):
    board.accept(WAITING + 50)
    for _ in range(WAITING // BATCH):
        board.messages.flush()
    assert [len(each) for each in board.batches] == [BATCH] * (WAITING // BATCH)
    assert (board.batches[0][0], board.batches[-1][-1]) == ("t50", f"t{WAITING + 49}")


def test_what_redis_does_not_take_is_dropped(board):
    board.accept(BATCH + 1)
    board.is_away = True
    board.messages.flush()
    board.is_away = False
    board.accept(1)
    board.messages.flush()
    assert board.batches == [["t0"]]
