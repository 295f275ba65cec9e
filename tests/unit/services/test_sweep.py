"""A sweep finds everybody whose leases ended, however many there are."""

from __future__ import annotations

from chat.model.presence import Batch, Holding
from chat.services.sweep import sweep
from tests.support.presence import MemoryBoard


def test_a_sweep_goes_on_until_no_lease_has_ended():
    board = MemoryBoard()
    users = [f"u{number}" for number in range(250)]
    board.decide(Batch(arrivals=[Holding(user_id, user_id, ["r1"], is_new=True) for user_id in users[:200]]))
    board.ended = list(users)
    assert sweep(board) == 200
    assert board.rooms == {}
    assert {kind for kind, _, _ in board.told()} == {"offline"}


def test_nothing_is_decided_when_no_lease_has_ended():
    board = MemoryBoard()
    assert sweep(board) == 0
    assert board.calls == 0
