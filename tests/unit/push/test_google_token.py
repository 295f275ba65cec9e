import pytest

from chat.push.google_token import read_token
from chat.push.transport import Answer


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
