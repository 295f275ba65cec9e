from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import OriginRefused, Unauthenticated
from chat.gateway.identity import (
    DEV_TOKEN_TTL_S,
    LEEWAY_S,
    NAME_LIMIT,
    Authenticator,
    bearer_token,
    check_origin,
    guest,
)
from chat.model.ids import is_id

SECRET = "a secret of more than thirty-two bytes"
BELIEVER = Authenticator(SECRET, is_dev=False)
STRICT = Authenticator(SECRET, is_dev=False, issuer="https://id.example.org", audience="chat")
LATER = int(time.time()) + 3600
LEAST = {"sub": "ann", "exp": LATER}


def part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def signed(claims: Any, header: Any = None, secret: bytes = SECRET.encode()) -> str:
    """Return a token that no library would make, signed all the same."""
    head = json.dumps(header or {"alg": "HS256", "typ": "JWT"}).encode()
    told = f"{part(head)}.{part(json.dumps(claims).encode())}"
    return f"{told}.{part(hmac.new(secret, told.encode(), hashlib.sha256).digest())}"


def refused(token: str, believer: Authenticator = BELIEVER) -> str:
    with pytest.raises(Unauthenticated) as caught:
        believer.verify(token)
    assert caught.value.field == "token"
    assert SECRET not in caught.value.message
    return caught.value.message


def test_a_user_is_believed_when_the_token_is_ours():
    found = BELIEVER.verify(signed({**LEAST, "name": "Ann", "admin": True}))
    assert (found.user_id, found.name, found.is_admin, found.is_guest) == ("ann", "Ann", True, False)
    assert found.expires_at == LATER


def test_the_id_is_the_name_when_the_token_has_none():
    assert BELIEVER.verify(signed(LEAST)).name == "ann"
    assert BELIEVER.verify(signed({**LEAST, "name": None})).name == "ann"


@pytest.mark.parametrize("admin", [False, None, 1, "true", "yes", [True]])
def test_nobody_is_admin_when_the_claim_is_not_exactly_true(admin):
    assert not BELIEVER.verify(signed({**LEAST, "admin": admin})).is_admin


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE"])
def test_a_token_is_refused_when_it_is_not_signed(alg):
    told = f"{part(json.dumps({'alg': alg}).encode())}.{part(json.dumps(LEAST).encode())}"
    assert refused(f"{told}.")
    assert refused(signed(LEAST, {"alg": alg}))


def test_a_token_is_refused_when_another_family_of_algorithms_signed_it():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert refused(jwt.encode(LEAST, key, algorithm="RS256"))
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert refused(signed(LEAST, secret=public))  # HMAC with a public key as its secret
    assert refused(signed(LEAST, {"alg": "RS256", "typ": "JWT"}))


@pytest.mark.parametrize("alg", ["HS384", "HS512"])
def test_a_token_is_refused_when_its_hash_is_another_one(alg):
    assert refused(jwt.encode(LEAST, SECRET.ljust(64, "x"), algorithm=alg))
    assert refused(signed(LEAST, {"alg": alg}))


def test_a_token_is_refused_when_it_was_changed():
    head, body, signature = signed(LEAST).split(".")
    assert refused(f"{head}.{part(json.dumps({**LEAST, 'sub': 'eve'}).encode())}.{signature}")
    assert refused(f"{head}.{body}.{signature[:-4]}")
    assert refused(f"{head}.{body}.")
    assert refused(signed(LEAST, secret=b"another secret of thirty-two bytes!!"))


@pytest.mark.parametrize("claims", [{"sub": "ann"}, {"exp": LATER}, {}, [], "ann", None, {**LEAST, "exp": None}])
def test_a_token_is_refused_when_it_lacks_what_it_must_have(claims):
    assert refused(signed(claims))


@pytest.mark.parametrize("exp", ["soon", [LATER], {}, float("inf"), float("nan"), True, -1, ""])
def test_a_token_is_refused_when_its_end_is_no_time_to_come(exp):
    assert refused(signed({**LEAST, "exp": exp}))


def test_a_token_is_believed_up_to_the_leeway_when_it_has_just_expired():
    now = int(time.time())
    assert BELIEVER.verify(signed({**LEAST, "exp": now - LEEWAY_S + 1})).user_id == "ann"
    assert refused(signed({**LEAST, "exp": now - LEEWAY_S - 1}))
    assert refused(signed({**LEAST, "exp": now - 3600}))


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_a_token_is_refused_when_its_time_has_not_come(claim):
    assert refused(signed({**LEAST, claim: int(time.time()) + LEEWAY_S + 60}))
    assert BELIEVER.verify(signed({**LEAST, claim: int(time.time()) - 60})).user_id == "ann"


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"iss": "https://id.example.org"},
        {"aud": "chat"},
        {"iss": "https://evil.example.org", "aud": "chat"},
        {"iss": "https://id.example.org", "aud": "other"},
        {"iss": "https://id.example.org", "aud": ["other", "another"]},
        {"iss": "https://id.example.org", "aud": []},
        {"iss": "https://id.example.org", "aud": None},
    ],
)
def test_a_token_is_refused_when_it_is_from_or_for_someone_else(claims):
    assert refused(signed({**LEAST, **claims}), STRICT)


@pytest.mark.parametrize("audience", ["chat", ["other", "chat"]])
def test_a_token_is_believed_when_issuer_and_audience_are_right(audience):
    claims = {**LEAST, "iss": "https://id.example.org", "aud": audience}
    assert STRICT.verify(signed(claims)).user_id == "ann"


def test_an_audience_does_not_matter_when_none_is_set():
    assert BELIEVER.verify(signed({**LEAST, "aud": "whoever", "iss": "anyone"})).user_id == "ann"


@pytest.mark.parametrize("sub", ["", "a b", "a:b", "é", "a\n", "x" * 65, "{a}", "../a", 7, None, ["ann"]])
def test_a_token_is_refused_when_its_sub_is_no_user_id(sub):
    assert refused(signed({**LEAST, "sub": sub}))


@pytest.mark.parametrize("name", ["", " ", "x" * (NAME_LIMIT + 1), 7, ["Ann"], "\ud800", "a\udfffb"])
def test_a_token_is_refused_when_its_name_cannot_be_shown(name):
    assert refused(signed({**LEAST, "name": name}))


@pytest.mark.parametrize("name", ["Ann", "x" * NAME_LIMIT, "Zoë 😀", "a\nb"])
def test_a_name_is_taken_as_it_is_when_it_can_be_shown(name):
    assert BELIEVER.verify(signed({**LEAST, "name": name})).name == name


DEEP = part(b'{"alg":' + b"[" * 30_000)


@pytest.mark.parametrize(
    "token", ["", ".", "..", "...", "a.b", "a.b.c", f"{DEEP}.e30.AA", "\ud800.a.b", "é.é.é", "\x00"]
)
def test_a_token_is_refused_when_it_is_none(token):
    assert refused(token)


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_=-]*\.[A-Za-z0-9_=-]*\.[A-Za-z0-9_=-]*", fullmatch=True))
def test_only_one_error_is_raised_when_a_token_is_anything(token):
    assert refused(token)


@given(
    st.dictionaries(
        st.sampled_from(["sub", "exp", "name", "nbf", "aud", "admin"]),
        st.none() | st.integers() | st.text() | st.floats(),
    )
)
def test_only_one_error_is_raised_when_signed_claims_are_anything(claims):
    try:
        found = BELIEVER.verify(signed(claims))
    except Unauthenticated:
        return
    assert is_id(found.user_id)
    assert found.name.encode()


def test_a_minted_token_is_believed_when_issuer_and_audience_are_set():
    found = STRICT.verify(STRICT.mint("ann", "Ann"))
    assert (found.user_id, found.name, found.is_admin) == ("ann", "Ann", False)
    assert found.expires_at == pytest.approx(time.time() + DEV_TOKEN_TTL_S, abs=60)


def test_a_guest_is_new_when_one_is_made():
    made = [guest() for _ in range(100)]
    assert len({each.user_id for each in made}) == 100
    assert all(is_id(each.user_id) and each.is_guest and each.user_id.startswith("guest-") for each in made)
    assert made[0].expires_at is None


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({}, None),
        ({"Authorization": "Bearer abc"}, "abc"),
        ({"Authorization": "bearer   abc "}, "abc"),
        ({"Authorization": "Basic abc"}, None),
        ({"Authorization": "Bearer"}, None),
        ({"Authorization": "Bearer "}, None),
        ({"Sec-WebSocket-Protocol": "chat.v1, bearer.a.b.c"}, "a.b.c"),
        ({"Sec-WebSocket-Protocol": "bearer.a.b.c,chat.v1"}, "a.b.c"),
        ({"Sec-WebSocket-Protocol": "chat.v1"}, None),
        ({"Sec-WebSocket-Protocol": "chat.v1, bearer."}, ""),
        ({"Authorization": "Bearer one", "Sec-WebSocket-Protocol": "bearer.two"}, "one"),
        ({"Authorization": "Basic one", "Sec-WebSocket-Protocol": "bearer.two"}, "two"),
    ],
)
def test_a_token_is_found_when_a_request_carries_one(headers, token):
    assert bearer_token(headers) == token


def test_nobody_is_there_when_a_request_carries_no_token():
    assert BELIEVER.identify({}) is None
    found = BELIEVER.identify({"Authorization": f"Bearer {signed(LEAST)}"})
    assert found is not None
    assert found.user_id == "ann"


def test_a_request_is_refused_when_its_token_is_empty():
    with pytest.raises(Unauthenticated):
        BELIEVER.identify({"Sec-WebSocket-Protocol": "chat.v1, bearer."})


ALLOWED = ("https://chat.example.org", "http://localhost:8080")


@pytest.mark.parametrize(
    ("origin", "is_let_in"),
    [
        (None, True),
        ("http://here:3000", True),
        ("https://here:3000", True),
        ("HTTP://HERE:3000", True),
        ("https://chat.example.org", True),
        ("http://localhost:8080", True),
        ("null", False),
        ("", False),
        ("http://here", False),
        ("http://here:3001", False),
        ("http://chat.example.org", False),
        ("https://chat.example.org:444", False),
        ("https://chat.example.org.evil.org", False),
        ("https://evil.org/https://chat.example.org", False),
        ("https://a.chat.example.org", False),
        ("ws://here:3000", False),
        ("file://", False),
    ],
)
def test_a_page_is_let_in_when_its_origin_is_ours_or_allowed(origin, is_let_in):
    if is_let_in:
        check_origin(origin, "here:3000", ALLOWED)
    else:
        with pytest.raises(OriginRefused):
            check_origin(origin, "here:3000", ALLOWED)
