from __future__ import annotations

import time

import pytest

from chat.errors import RateLimited
from chat.gateway import rate
from chat.gateway.rate import JoinRate, UserRate


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def taken(bucket, count, user_id="ann"):
    """Return how many of so many messages at one moment are taken."""
    done = 0
    for _ in range(count):
        try:
            bucket.take(user_id)
        except RateLimited:
            continue
        done += 1
    return done


@pytest.mark.parametrize("per_s", [1, 4, 7, 20])
def test_a_burst_is_twice_the_rate_when_a_user_was_quiet(clock, per_s):
    for each in range(100):
        clock[0] = 100 * 1.1**each  # sums of fractions are not exact, at each size in another way
        assert taken(UserRate(per_s), 10 * per_s) == 2 * per_s


@pytest.mark.parametrize("per_s", [1, 4, 20])
def test_the_rate_is_kept_when_a_user_never_stops(clock, per_s):
    bucket = UserRate(per_s)
    taken(bucket, 10 * per_s)
    done = 0
    for _ in range(1000):
        clock[0] += 0.01
        done += taken(bucket, 1)
    assert done == pytest.approx(10 * per_s, abs=1)


def test_a_message_is_taken_when_one_waited_as_long_as_told(clock):
    bucket = UserRate(4)
    taken(bucket, 20)
    with pytest.raises(RateLimited) as caught:
        bucket.take("ann")
    assert 0 < caught.value.retry_after_s <= 0.25
    clock[0] += caught.value.retry_after_s / 2
    assert taken(bucket, 1) == 0
    clock[0] += caught.value.retry_after_s / 2
    assert taken(bucket, 1) == 1


def test_refused_messages_cost_nothing_when_a_user_goes_on_trying(clock):
    bucket = UserRate(4)
    taken(bucket, 1000)
    clock[0] += 2
    assert taken(bucket, 100) == 8


def test_others_are_not_slowed_when_one_is_too_fast(clock):
    bucket = UserRate(4)
    taken(bucket, 100, "ann")
    assert taken(bucket, 5, "bob") == 5


def test_nothing_is_limited_when_the_rate_is_zero(clock):
    assert taken(UserRate(0), 10_000) == 10_000


def test_a_whole_bucket_of_rooms_is_joined_when_one_comes_back(clock):
    bucket = JoinRate(50, burst_s=10)
    for each in range(100):
        clock[0] = 100 * 1.1**each
        for rooms in (500, 5000):  # more than the bucket costs the bucket
            assert bucket.take(0.0, rooms) == pytest.approx(clock[0])


def test_the_rate_of_joins_is_kept_when_one_never_stops(clock):
    bucket, paid, done = JoinRate(5, burst_s=2), 0.0, 0
    for _ in range(2000):
        clock[0] += 0.01
        try:
            paid = bucket.take(paid, 1)
        except RateLimited:
            continue
        done += 1
    assert done == pytest.approx(10 + 5 * 20, abs=1)


def test_those_who_are_square_are_forgotten_when_there_are_many(clock, monkeypatch):
    monkeypatch.setattr(rate, "PRUNE_AT", 10)
    bucket = UserRate(4)
    for n in range(10):
        bucket.take(f"old{n}")
    clock[0] += 5
    bucket.take("new")
    assert set(bucket._paid_until) == {"new"}


def test_a_debt_is_kept_when_others_are_forgotten(clock, monkeypatch):
    monkeypatch.setattr(rate, "PRUNE_AT", 10)
    bucket = UserRate(4)
    taken(bucket, 100, "ann")
    for n in range(30):
        bucket.take(f"user{n}")
    assert taken(bucket, 1, "ann") == 0


def test_the_table_is_not_swept_for_every_message_when_all_are_busy(clock, monkeypatch):
    monkeypatch.setattr(rate, "PRUNE_AT", 10)
    bucket = UserRate(4)
    bucket._prune_at = 10
    tables: list[dict[str, float]] = []  # kept, so that no address is used again
    for n in range(1000):
        bucket.take(f"user{n}")
        if not tables or tables[-1] is not bucket._paid_until:
            tables.append(bucket._paid_until)
    assert len(bucket._paid_until) == 1000
    assert len(tables) < 20
