"""How many rooms one connection joins a second."""

from __future__ import annotations

import pytest

from chat.errors import RateLimited
from chat.gateway.rate import JoinRate


def test_rooms_of_the_whole_burst_are_joined_at_once_and_one_more_is_told_when() -> None:
    rate = JoinRate(50, burst_s=10)
    paid = rate.take(0.0, 500)
    with pytest.raises(RateLimited) as caught:
        rate.take(paid, 5)
    assert caught.value.retry_after_s == pytest.approx(0.1, abs=0.05)
    assert caught.value.field == "roomIds"


def test_refused_join_costs_nothing() -> None:
    rate = JoinRate(1000, burst_s=0.01)
    paid = rate.take(0.0, 10)
    for _ in range(3):
        with pytest.raises(RateLimited) as caught:
            rate.take(paid, 10)
        assert caught.value.retry_after_s <= 0.01


def test_more_rooms_than_the_bucket_holds_cost_the_bucket() -> None:
    assert JoinRate(50, burst_s=10).take(0.0, 10_000) > 0


def test_zero_turns_the_limit_off() -> None:
    rate = JoinRate(0)
    assert {rate.take(0.0, 500) for _ in range(100)} == {0.0}
