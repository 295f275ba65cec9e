import time
from contextlib import suppress

import pytest
from gevent.event import Event

from chat.broker.client import RedisAddress, connect
from chat.broker.rates import RedisRates
from chat.errors import BrokerUnavailable, RateLimited
from chat.gateway import shared_rate
from chat.gateway.rate import UserRate
from chat.gateway.shared_rate import SharedRate
from tests.support.wait import eventually

PER_S, BURST_S = 10, 2.0


@pytest.fixture
def server(redis_url):
    """Make servers that share one Redis."""
    client = connect(RedisAddress(redis_url))
    yield lambda count: SharedRate(
        UserRate(PER_S, BURST_S), RedisRates(client, per_s=PER_S, burst_s=BURST_S), lambda: count
    )
    client.close()


def send(rate: SharedRate, count: int) -> None:
    for _ in range(count):
        rate.take("ann")


def test_a_user_is_stopped_on_each_server_when_the_sum_is_over_the_limit(server):
    one, other = server(2), server(2)
    for rate in (one, other):
        rate.look_around()
        send(rate, 15)  # each alone is under the burst of 20
        rate.share()
    with pytest.raises(RateLimited, match="over all connections") as caught:
        other.take("ann")
    assert 0 < caught.value.retry_after_s <= BURST_S
    one.take("ann")
    one.share()  # it hears of the sum with what it tells next
    with pytest.raises(RateLimited):
        one.take("ann")
    other.take("bob")


def test_nothing_is_shared_when_there_is_one_server(server, redis_url):
    rate = server(1)
    rate.look_around()
    send(rate, 15)
    rate.share()
    assert not connect(RedisAddress(redis_url)).keys("chat:rate:*")


def test_a_user_goes_on_when_the_wait_is_over(server):
    one = server(2)
    one.look_around()
    send(one, 20)
    one.share()
    with pytest.raises(RateLimited):
        one.take("ann")

    def is_taken() -> bool:
        try:
            one.take("ann")
        except RateLimited:
            return False
        return True

    assert eventually(is_taken, timeout_s=BURST_S + 1)


def test_the_shared_bucket_is_gone_when_a_user_is_quiet(server, redis_url):
    one = server(2)
    one.look_around()
    send(one, 3)
    one.share()
    left_ms = connect(RedisAddress(redis_url)).pttl("chat:rate:ann")
    assert 0 < left_ms <= BURST_S * 2000 + 1000


def flood(rates: list[SharedRate], rounds: int) -> int:
    """Send through each server in turn, asking where one has to; return how many were taken."""
    taken = 0
    for _ in range(rounds):
        for rate in rates:
            if rate.must_ask("ann"):
                rate.ask("ann")
            with suppress(RateLimited):
                rate.take("ann")
                taken += 1
    return taken


def test_a_flood_through_several_servers_is_stopped_without_waiting_for_the_next_telling(server):
    rates = [server(3) for _ in range(3)]
    for rate in rates:
        rate.look_around()
    began_at = time.monotonic()
    taken = flood(rates, 100)
    took_s = time.monotonic() - began_at
    unasked = 3 * len(rates)  # an eighth of the burst by each of them
    assert PER_S * BURST_S <= taken <= PER_S * (BURST_S + took_s) + unasked


def test_a_few_messages_need_no_asking_and_a_lone_server_never_asks(server):
    shared, alone = server(2), server(1)
    for rate in (shared, alone):
        rate.look_around()
        send(rate, 2)
        assert not rate.must_ask("ann")
        send(rate, 10)
    assert (shared.must_ask("ann"), alone.must_ask("ann")) == (True, False)
    assert not shared.must_ask("bob")


def test_each_server_keeps_its_own_limit_while_redis_does_not_answer(monkeypatch):
    monkeypatch.setattr(shared_rate, "ASK_TIMEOUT_S", 0.01)
    asked = []

    class Silent(RedisRates):
        def __init__(self, *, is_hung: bool) -> None:
            self.is_hung = is_hung

        def spend(self, spent):
            asked.append(spent)
            if self.is_hung:
                Event().wait()
            raise BrokerUnavailable("spend rate")

    silent = [Silent(is_hung=True), Silent(is_hung=False)]
    rates = [SharedRate(UserRate(PER_S, BURST_S), each, lambda: 2) for each in silent]
    for rate in rates:
        rate.look_around()
    began_at = time.monotonic()
    taken = flood(rates, 100)
    took_s = time.monotonic() - began_at
    assert 2 * PER_S * BURST_S <= taken <= 2 * PER_S * (BURST_S + took_s)
    assert len(asked) == 2  # nobody waits for it again and again
