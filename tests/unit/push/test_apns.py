import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chat.push.apns import TOKEN_LEAST_S, TOKEN_LIFE_S, ApnsKey, ProviderTokens

NOW_S = 1_800_000_000 // TOKEN_LIFE_S * TOKEN_LIFE_S  # the start of a token's life


class Clock:
    def __init__(self) -> None:
        self.now_s = float(NOW_S)

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(scope="module")
def key() -> ApnsKey:
    told = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(serialization.Encoding.PEM, *told)
    return ApnsKey(pem.decode(), "KEY4567890", "TEAM567890")


def issued_at(token: str) -> int:
    return jwt.decode(token, options={"verify_signature": False})["iat"]


def test_a_token_names_team_and_key(key):
    token = ProviderTokens(key, Clock()).get()
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": "KEY4567890", "typ": "JWT"}
    assert jwt.decode(token, options={"verify_signature": False}) == {"iss": "TEAM567890", "iat": NOW_S}


def test_a_token_is_used_again_until_it_is_old(key):
    clock = Clock()
    tokens = ProviderTokens(key, clock)
    first = tokens.get()
    clock.now_s += TOKEN_LIFE_S - 1
    assert tokens.get() == first
    clock.now_s += 1
    assert issued_at(tokens.get()) == NOW_S + TOKEN_LIFE_S


def test_every_process_renews_at_the_same_moment(key):
    clock = Clock()
    clock.now_s += 700
    early = ProviderTokens(key, clock)
    early.get()
    clock.now_s += 700
    assert issued_at(early.get()) == issued_at(ProviderTokens(key, clock).get()) == NOW_S


def test_a_token_is_new_when_the_clock_was_set_back(key):
    clock = Clock()
    tokens = ProviderTokens(key, clock)
    tokens.get()
    clock.now_s -= 86_400
    assert issued_at(tokens.get()) <= clock.now_s


def test_a_refused_token_is_renewed_when_apple_would_take_another(key):
    clock = Clock()
    tokens = ProviderTokens(key, clock)
    first = tokens.get()
    clock.now_s += TOKEN_LEAST_S - 1
    assert not tokens.renew(first)
    assert tokens.get() == first
    clock.now_s += 1
    assert tokens.renew(first)
    second = tokens.get()
    assert issued_at(second) == clock.now_s
    assert tokens.renew(first)  # another thread has seen to it
    assert tokens.get() == second
