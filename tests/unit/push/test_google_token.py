import time

import pytest

from chat.push.base import Later
from chat.push.endpoints import Endpoint
from chat.push.google_token import AccessTokens, ServiceAccount, read_token
from chat.push.transport import Answer, Transport, tls_context


def test_a_token_is_read_with_its_end():
    token = read_token(Answer(200, {}, b'{"access_token": "t", "expires_in": 3599}'), 100)
    assert token is not None
    assert (token.text, token.ends_at) == ("t", 3699)
    assert "t'" not in repr(token)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200),
        Answer(200, {}, b"[]"),
        Answer(200, {}, b'{"expires_in": 3599}'),
        Answer(200, {}, b'{"access_token": "t", "expires_in": "soon"}'),
        Answer(400, {}, b'{"access_token": "t"}'),
    ],
)
def test_there_is_no_token_when_the_answer_has_none(answer):
    assert read_token(answer, 100) is None


def test_who_waits_for_a_token_waits_no_longer_than_its_push():
    """The one that fetches may have begun later, and so have longer."""
    endpoint = Endpoint("oauth.example", 443, "/token")
    account = ServiceAccount("chat", "push@chat.example", "", "k1", endpoint, "https://oauth.example/token")
    tokens = AccessTokens(account, Transport(tls_context(None)))
    with tokens._lock:
        assert tokens.get(time.monotonic() + 0.1) == Later("oauth timeout")
