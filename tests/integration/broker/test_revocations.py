from __future__ import annotations

import time

import redis

from chat.broker import keys
from chat.broker.revocations import RedisRevocations, Revocation, read_control
from tests.support.wait import eventually


def test_every_server_is_told_when_a_user_is_revoked(client: redis.Redis):
    with client.pubsub(ignore_subscribe_messages=True) as ear:
        ear.subscribe(keys.CONTROL_CHANNEL)
        ear.get_message(timeout=1)
        made = RedisRevocations(client, keep_s=60).revoke("ann")
        heard = eventually(lambda: ear.get_message(timeout=0.1))
    assert read_control(heard["data"]) == made
    assert made.at_ms / 1000 <= time.time()


def test_revocations_are_read_from_a_moment_on_when_one_asks(client: redis.Redis):
    revocations = RedisRevocations(client, keep_s=60)
    ann, bob = revocations.revoke("ann"), revocations.revoke("bob")
    assert revocations.since(0) == [ann, bob]
    assert revocations.since(bob.at_ms + 1) == []


def test_the_newest_time_stays_when_a_clock_is_behind(client: redis.Redis):
    later = int(time.time() * 1000) + 60_000
    client.zadd(keys.REVOKED, {"ann": later})
    revocations = RedisRevocations(client, keep_s=3600)
    revocations.revoke("ann")
    assert revocations.since(0) == [Revocation("ann", later)]


def test_old_ones_go_and_all_go_in_the_end_when_nobody_is_revoked_any_more(client: redis.Redis):
    revocations = RedisRevocations(client, keep_s=60)
    client.zadd(keys.REVOKED, {"old": int(time.time() * 1000) - 61_000})
    revocations.revoke("ann")
    assert [user_id for user_id, _ in revocations.since(0)] == ["ann"]
    assert 0 < client.ttl(keys.REVOKED) <= 60
