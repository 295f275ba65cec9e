from __future__ import annotations

import pytest
import redis

from chat.broker.tickets import TTL_S, RedisTickets
from chat.errors import BrokerUnavailable


def test_a_ticket_is_handed_out_once_when_two_servers_ask(client: redis.Redis):
    here, there = RedisTickets(client), RedisTickets(client)
    ticket = here.issue(b"ann")
    assert there.redeem(ticket) == b"ann"
    assert here.redeem(ticket) is None
    assert there.redeem("never issued") is None
    assert there.redeem("\ud800") is None


def test_redis_keeps_no_ticket_and_none_for_long_when_one_is_issued(client: redis.Redis):
    tickets = [RedisTickets(client).issue(b"ann") for _ in range(20)]
    assert len(set(tickets)) == 20
    assert len(tickets[0]) == 43
    keys = client.keys("*")
    assert len(keys) == 20
    assert all(0 < client.ttl(key) <= TTL_S for key in keys)
    assert not any(ticket.encode() in key for ticket in tickets for key in keys)


def test_nothing_is_issued_when_redis_is_gone():
    with redis.Redis(port=1) as nowhere, pytest.raises(BrokerUnavailable):
        RedisTickets(nowhere).issue(b"ann")
