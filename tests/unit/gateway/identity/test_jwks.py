"""The issuer's keys: which are taken, when they are asked for, and what goes on while they can't be had."""

from __future__ import annotations

import json
import time
from typing import Any

import gevent
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from gevent.event import Event
from jwt.algorithms import RSAAlgorithm

from chat.errors import KeysUnavailable, Unauthenticated
from chat.gateway.identity.jwks import KEYS_LIMIT, FetchFailed, PublishedKeys, read_keys
from tests.support.greenlets import turn, turn_until
from tests.support.issuer import jwk, new_rsa

RSA, OTHER, EC = new_rsa(), new_rsa(), ec.generate_private_key(ec.SECP256R1())
SOON_S = 0.9  # sooner than after a fetch that failed
RS, ES = {"alg": "RS256", "kid": "r"}, {"alg": "ES256", "kid": "e"}


def read(*keys: Any) -> dict[Any, Any]:
    return dict(read_keys(json.dumps({"keys": list(keys)}).encode()))


class Issuer:
    """Publishes what `keys` holds, while its gate is open; `fault` is raised instead."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = list(keys)
        self.fault: Exception | None = None
        self.gate = Event()
        self.gate.set()
        self.asked = self.answered = 0

    def fetch(self, _url: str) -> bytes:
        self.asked += 1
        self.gate.wait()
        self.answered += 1
        if self.fault:
            raise self.fault
        return json.dumps({"keys": self.keys}).encode()


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(jwk(RSA, "r"), jwk(EC, "e"))


def believer(issuer: Issuer, refetch_s: float = 60.0, refresh_s: float = 300.0) -> PublishedKeys:
    return PublishedKeys("https://id.example.org/keys", refetch_s, issuer.fetch, refresh_s)


@pytest.mark.parametrize(
    "key",
    [
        jwk(RSA, "k", use="enc"),
        jwk(RSA, "k", alg="RS512"),
        jwk(RSA, "k", alg="HS256"),
        jwk(RSA, "k", alg=None),
        jwk(RSA, "k", key_ops=["sign"]),
        jwk(RSA, "k", key_ops="verify"),
        jwk(RSA, "k", n="AQAB"),
        jwk(RSA, "k", n=7),
        jwk(RSA, "k", kty="EC"),
        jwk(rsa.generate_private_key(public_exponent=65537, key_size=1024), "k"),
        jwk(ec.generate_private_key(ec.SECP384R1()), "k"),
        jwk(EC, "k", x="AAAA"),
        {"kty": "oct", "kid": "k", "k": "c2VjcmV0LXRoYXQtaXMtbm8tc2VjcmV0LWFueS1tb3Jl"},
        {"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {"kty": ["RSA"], "kid": "k"},
        {},
        "text",
        None,
    ],
)
def test_a_key_is_passed_over_when_it_is_not_for_this(key):
    assert [name for name, _ in read(key, jwk(RSA, "good"))] == ["good"]


def test_a_private_key_is_taken_as_its_public_half_when_one_was_published():
    private = RSAAlgorithm.to_jwk(RSA, as_dict=True)
    [found] = read({**private, "kid": "k", "key_ops": ["verify"]}).values()
    assert isinstance(found.material, rsa.RSAPublicKey)


@pytest.mark.parametrize(
    "document",
    [
        *(b"", b"<html>", b"[]", b"{}", b'{"keys": {}}', b'{"keys": null}', b"[" * 100_000),
        json.dumps({"keys": [{}] * (KEYS_LIMIT + 1)}).encode(),
    ],
)
def test_a_document_is_refused_when_it_is_no_set_of_keys(document):
    with pytest.raises(FetchFailed):
        read_keys(document)


def test_keys_are_fetched_once_when_they_are_known(issuer):
    keys = believer(issuer)
    assert keys.find(RS).algorithm == "RS256"
    assert keys.find(ES).algorithm == "ES256"
    assert issuer.asked == 1


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "kid": "r"},
        {"alg": "HS256", "kid": "r"},
        {"alg": "RS512", "kid": "r"},
        {"kid": "r"},
        {"alg": ["RS256"], "kid": "r"},
    ],
)
def test_nothing_is_asked_for_when_the_algorithm_is_none_of_ours(issuer, header):
    with pytest.raises(Unauthenticated):
        believer(issuer).find(header)
    assert issuer.asked == 0


def test_a_key_is_not_used_for_another_family_when_a_token_says_so(issuer):
    keys = believer(issuer)
    for header in ({"alg": "ES256", "kid": "r"}, {"alg": "RS256", "kid": "e"}):
        with pytest.raises(Unauthenticated):
            keys.find(header)


def test_the_only_key_is_taken_when_a_token_names_none(issuer):
    keys = believer(issuer, refetch_s=0)
    assert keys.find({"alg": "RS256"}).material.public_numbers() == RSA.public_key().public_numbers()
    issuer.keys.append(jwk(OTHER, "r2"))
    with pytest.raises(Unauthenticated):
        keys.find({"alg": "RS256", "kid": "unknown"})
    with pytest.raises(Unauthenticated):
        keys.find({"alg": "RS256"})  # there are two now


def test_an_unknown_key_is_asked_for_when_enough_time_has_passed(issuer, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("chat.gateway.identity.jwks.monotonic", lambda: clock[0])
    keys = believer(issuer, refetch_s=0.1)
    keys.find(RS)
    issuer.keys.append(jwk(OTHER, "r2"))
    with pytest.raises(Unauthenticated):
        keys.find({"alg": "RS256", "kid": "r2"})
    assert issuer.asked == 1
    clock[0] += 0.11
    assert keys.find({"alg": "RS256", "kid": "r2"})
    assert issuer.asked == 2


def test_the_first_unknown_key_is_asked_for_at_once_when_the_server_has_just_started(issuer):
    keys = believer(issuer)
    keys.start()
    turn_until(lambda: issuer.answered)
    issuer.keys = [jwk(OTHER, "r2")]
    assert keys.find({"alg": "RS256", "kid": "r2"})
    with pytest.raises(Unauthenticated):
        keys.find(RS)  # withdrawn


def test_one_fetch_serves_all_when_many_wait(issuer):
    issuer.gate.clear()
    keys = believer(issuer)
    waiting = [gevent.spawn(keys.find, RS if number % 2 else ES) for number in range(50)]
    turn()
    assert not any(each.ready() for each in waiting)
    issuer.gate.set()
    gevent.joinall(waiting, timeout=5)
    assert all(each.value for each in waiting)
    assert issuer.asked == 1


@pytest.mark.parametrize("fault", [OSError("down"), FetchFailed("no"), ValueError("bad")])
def test_known_keys_go_on_when_the_issuer_is_down(issuer, fault):
    keys = believer(issuer, refetch_s=0)
    keys.find(RS)
    issuer.fault = fault
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            keys.find({"alg": "RS256", "kid": "unknown"})
    assert keys.find(RS)


def test_it_is_a_fault_of_ours_when_no_key_was_ever_fetched(issuer):
    issuer.fault = OSError("down")
    keys = believer(issuer, refetch_s=0)
    with pytest.raises(KeysUnavailable) as caught:
        keys.find(RS)
    assert caught.value.temporary
    issuer.fault = None
    assert keys.find(RS)


def test_a_fetch_is_given_up_when_it_takes_too_long(issuer, monkeypatch):
    monkeypatch.setattr("chat.gateway.identity.jwks.FETCH_TIMEOUT_S", 0.05)
    issuer.gate.clear()
    start = time.monotonic()
    with pytest.raises(KeysUnavailable):
        believer(issuer).find(RS)
    assert time.monotonic() - start < 2


def test_keys_are_fetched_again_when_nobody_asks(issuer):
    keys = believer(issuer, refresh_s=0.02)
    keys.start()
    turn_until(lambda: issuer.asked >= 3, SOON_S)
    issuer.keys = []
    answered = issuer.answered
    turn_until(lambda: issuer.answered > answered, SOON_S)
    with pytest.raises(Unauthenticated):
        keys.find(RS)
