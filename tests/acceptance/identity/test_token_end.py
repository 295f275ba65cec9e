"""The end of a token: announced, put off by a fresh one, and the end of its connection."""

from __future__ import annotations

import time

import pytest

from tests.support.chat_client import Refused
from tests.support.chat_system import LoneServer
from tests.support.identities import ISSUED, ends
from tests.support.wait import eventually


def test_a_token_is_announced_to_end_and_then_ends_its_connection(server: LoneServer, user_id: str) -> None:
    ends_s = int(time.time()) + 2
    client = server.client(ISSUED.token(sub=user_id, exp=ends_s))
    [told] = client.until(lambda: client.of("auth-expiring"), 1)
    assert 0 < told["expiresInMs"] <= 2000
    assert ends(client)[0] == 4002
    assert -0.1 < time.time() - ends_s < 1.5
    assert [each["event"] for each in client.events] == ["welcome", "auth-expiring", "closing"]


def test_a_token_is_announced_to_end_a_minute_before(server: LoneServer, user_id: str) -> None:
    client = server.client(ISSUED.token(sub=user_id, exp=int(time.time()) + 62))
    assert client.user_id == user_id
    assert not client.of("auth-expiring")
    [told] = client.until(lambda: client.of("auth-expiring"), 4)
    assert 58_000 < told["expiresInMs"] <= 60_000


def test_a_fresh_token_lets_the_connection_live_on(server: LoneServer, user_id: str) -> None:
    ends_s = int(time.time()) + 2
    client = server.client(ISSUED.token(sub=user_id, exp=ends_s))
    told = client.ask("authenticate", {"token": ISSUED.token(sub=user_id, exp=4_000_000_000)})
    assert told == {"userId": user_id, "expiresAt": "2096-10-02T07:06:40.000Z"}
    client.ask("authenticate", {"token": ISSUED.token(sub=user_id, exp=int(time.time()) + 30)})
    client.until(lambda: len(client.of("auth-expiring")) == 2)  # once for each token
    same = ISSUED.token(sub=user_id, exp=int(time.time()) + 40)
    for _ in range(3):
        client.ask("authenticate", {"token": same})
    eventually(lambda: time.time() > ends_s + 1.5, 10)  # the first token's end is past
    client.ask("heartbeat")
    assert len(client.of("auth-expiring")) == 3
    assert client.close_code is None


def test_another_user_s_token_changes_nothing(server: LoneServer, user_id: str) -> None:
    client = server.client(ISSUED.token(sub=user_id, exp=int(time.time()) + 1))
    with pytest.raises(Refused) as refused:
        client.ask("authenticate", {"token": ISSUED.token(sub="somebody-else")})
    assert (refused.value.code, refused.value.field) == ("unauthenticated", "token")
    assert ends(client)[0] == 4002  # at the end of its own token
