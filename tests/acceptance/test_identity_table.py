"""Every form in which a token comes, with every fault it may have: each pair has its one answer."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
import redis
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.exceptions import InvalidStatus

from chat.broker.revocations import RedisRevocations
from tests.support.chat_client import ChatClient
from tests.support.chat_system import LoneServer
from tests.support.issuer import (
    AUDIENCE,
    ISSUER,
    OTHER_SECRET,
    SECRET,
    KeyIssuer,
    SecretIssuer,
    b64,
    by_hand,
    claims,
    jwk,
    new_rsa,
)
from tests.support.valkey import ValkeyProcess

TAKEN = "taken"
STRICT = {"AUTH_MODE": "jwt", "AUTH_ISSUER": ISSUER, "AUTH_AUDIENCE": AUDIENCE, "LOG_LEVEL": "DEBUG"}
GONE = "gone-user"  # revoked before the first test


@dataclass
class Site:
    """A server with somebody who signs for it."""

    server: LoneServer
    issuer: Any
    store: redis.Redis
    shown: list[str] = field(default_factory=list)  # every secret that was ever presented

    def note(self, secret: str | None) -> str | None:
        if secret:
            self.shown.append(secret)
        return secret

    def leaked(self) -> list[str]:
        """Return what stands in the log of all that was presented."""
        logged = self.server.output
        parts = {part for secret in self.shown for part in secret.split(".") if len(part) > 16}
        return [part for part in parts if part in logged]


@pytest.fixture(scope="module")
def sites() -> Iterator[dict[str, Site]]:
    with ExitStack() as stack:
        valkey = stack.enter_context(ValkeyProcess())
        keys = stack.enter_context(KeyIssuer())
        keys.published += [
            jwk(keys.other_rsa, "for-encryption", use="enc"),
            jwk(keys.other_rsa, "for-rs512", alg="RS512"),
            {"kty": "oct", "kid": "shared", "k": b64(SECRET.encode()), "alg": "HS256"},
        ]
        store = stack.enter_context(redis.Redis.from_url(valkey.url))
        RedisRevocations(store, keep_s=3600).revoke(GONE)
        servers = {
            "secret": LoneServer(valkey.url, {**STRICT, "AUTH_SECRET": SECRET}),
            "keys": LoneServer(valkey.url, {**STRICT, "AUTH_JWKS_URL": keys.url}),
        }
        made = {
            name: Site(stack.enter_context(server), keys if name == "keys" else SecretIssuer(), store)
            for name, server in servers.items()
        }
        yield made
        assert [site.leaked() for site in made.values()] == [[], []]


@pytest.fixture
def site(sites: dict[str, Site], signer: str) -> Iterator[Site]:
    yield sites[signer]
    sites[signer].server.close_clients()


Maker = Callable[[Any], str | None]
ANY: dict[str, tuple[bool, Maker]] = {
    "none": (True, lambda i: i.token()),
    "no name": (True, lambda i: i.token(name=None)),
    "no iat": (True, lambda i: i.token(iat=None)),
    "a list of audiences": (True, lambda i: i.token(aud=["other", AUDIENCE])),
    "expired within the leeway": (True, lambda i: i.token(exp=int(time.time()))),
    "nbf within the leeway": (True, lambda i: i.token(nbf=int(time.time()) + 1)),
    "issued after the revocation": (True, lambda i: i.token(sub=GONE, iat=time.time())),
    "missing": (False, lambda _: None),
    "garbage": (False, lambda _: "garbage-that-is-no-token-at-all"),
    "three parts of garbage": (False, lambda _: "garbage-garbage-garbage.a-b.c-d"),
    "cut": (False, lambda i: i.token()[:-8]),
    "changed": (False, lambda i: with_changed_body(i.token())),
    "alg none": (False, lambda _: by_hand({"alg": "none"}, claims(), None)),
    "alg NoNe with a signature": (False, lambda _: by_hand({"alg": "NoNe"}, claims(), SECRET.encode())),
    "expired beyond the leeway": (False, lambda i: i.token(exp=int(time.time()) - 3)),
    "no exp": (False, lambda i: i.token(exp=None)),
    "exp is no number": (False, lambda i: i.token(exp="soon")),
    "nbf in the future": (False, lambda i: i.token(nbf=int(time.time()) + 60)),
    "iat in the future": (False, lambda i: i.token(iat=int(time.time()) + 60)),
    "wrong aud": (False, lambda i: i.token(aud="other")),
    "missing aud": (False, lambda i: i.token(aud=None)),
    "wrong iss": (False, lambda i: i.token(iss="https://evil.example.org")),
    "missing iss": (False, lambda i: i.token(iss=None)),
    "sub that is no id": (False, lambda i: i.token(sub="a:b")),
    "missing sub": (False, lambda i: i.token(sub=None)),
    "revoked": (False, lambda i: i.token(sub=GONE, iat=int(time.time()) - 3000)),
    "revoked and no iat": (False, lambda i: i.token(sub=GONE, iat=None)),
}
OWN: dict[str, dict[str, tuple[bool, Maker]]] = {
    "secret": {
        "wrong secret": (False, lambda _: jwt.encode(claims(), OTHER_SECRET, "HS256")),
        "another hash": (False, lambda _: jwt.encode(claims(), SECRET, "HS512")),
        "another family": (False, lambda _: jwt.encode(claims(), new_rsa(), "RS256")),
    },
    "keys": {
        "signed with ES256": (True, lambda i: i.token("ec-1", "ES256")),
        "HMAC with the public key": (False, lambda i: by_hand(hs("rsa-1"), claims(), i.public_pem())),
        "HMAC with a published secret": (False, lambda _: by_hand(hs("shared"), claims(), SECRET.encode())),
        "wrong key": (False, lambda i: i.token(key=i.other_rsa)),
        "wrong curve key": (False, lambda i: i.token("ec-1", "ES256", ec.generate_private_key(ec.SECP256R1()))),
        "unknown kid": (False, lambda i: i.token("rsa-9")),
        "kid of another family": (False, lambda i: i.token("ec-1")),
        "kid that is no text": (False, lambda _: by_hand({"alg": "RS256", "kid": 7}, claims(), b"x")),
        "key for encryption": (False, lambda i: i.token("for-encryption", key=i.other_rsa)),
        "key for another algorithm": (False, lambda i: i.token("for-rs512", key=i.other_rsa)),
        "another hash": (False, lambda i: i.token(alg="RS512")),
    },
}
CELLS = [(signer, fault) for signer, own in OWN.items() for fault in (*ANY, *own)]


def hs(kid: str) -> dict[str, Any]:
    return {"alg": "HS256", "typ": "JWT", "kid": kid}


def with_changed_body(token: str) -> str:
    head, _, signature = token.split(".")
    return f"{head}.{by_hand({}, claims(sub='eve'), None).split('.')[1]}.{signature}"


def handshake(site: Site, token: str | None = None, **options: Any) -> ChatClient | int:
    """Return a client, or the status that it was refused with."""
    try:
        return site.server.client(token, **options)
    except InvalidStatus as refused:
        return refused.response.status_code


def waits(client: ChatClient | int) -> bool:
    """Tell whether the socket is open, and nothing is served on it before its user is known."""
    assert isinstance(client, ChatClient)
    client.send("heartbeat", {}, "beat")
    answer = client.until(lambda: client.answer("beat"))
    return answer["error"]["code"] == "unauthenticated" and [each["event"] for each in client.events] == ["ack"]


def in_header(site: Site, token: str | None) -> Any:
    found = handshake(site, token)
    return ("waits" if waits(found) else None) if token is None else welcomed(found)


def in_subprotocol(site: Site, token: str | None) -> Any:
    if token is None:
        return "waits" if waits(handshake(site, subprotocols=["chat.v1"])) else None
    return welcomed(handshake(site, token, in_subprotocol=True))


def by_ticket(site: Site, token: str | None) -> Any:
    answer = site.server.post("/api/v1/ws-ticket", {}, token)
    if answer.status_code != 200:
        return answer.status_code
    assert answer.json().keys() == {"ticket", "expires_in"}
    assert answer.json()["expires_in"] == 30
    ticket = answer.json()["ticket"]
    site.note(ticket)
    return welcomed(handshake(site, url=f"{site.server.ws_url}?ticket={ticket}"))


def as_first_frame(site: Site, token: str | None) -> Any:
    client = handshake(site)
    assert isinstance(client, ChatClient)
    client.send("authenticate", {} if token is None else {"token": token}, "me")
    answer = client.until(lambda: client.answer("me"))
    if answer["ok"]:
        assert client.events[0]["event"] == "welcome"
        assert answer["result"].keys() == {"userId", "expiresAt"}
        return TAKEN
    assert not client.of("welcome")
    if answer["error"]["code"] == "invalid":
        return "invalid " + answer["error"]["field"]
    code = client.until_closed()
    assert client.of("closing")[-1]["code"] == code
    return code


def in_band(site: Site, token: str | None) -> Any:
    is_other = token is not None and GONE in str(unread(token).get("sub"))
    client = site.server.client(site.note(site.issuer.token(sub=GONE if is_other else "ann", iat=time.time())))
    client.send("authenticate", {} if token is None else {"token": token}, "me")
    answer = client.until(lambda: client.answer("me"))
    if answer["ok"]:
        return TAKEN
    client.ask("heartbeat")  # it lives on
    error = answer["error"]
    return "invalid token" if error["code"] == "invalid" else (error["code"], error["field"])


def by_rest(site: Site, token: str | None) -> Any:
    answer = site.server.post("/api/v1/rooms", {"type": "group"}, token)
    if answer.status_code == 201:
        return TAKEN
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    return answer.status_code


def welcomed(found: ChatClient | int) -> Any:
    if isinstance(found, int):
        return found
    assert found.user_id
    return TAKEN


def unread(token: str) -> dict[str, Any]:
    try:
        told: dict[str, Any] = jwt.decode(token, options={"verify_signature": False, "verify_sub": False})
    except jwt.PyJWTError:
        return {}
    return told


FORMS: dict[str, tuple[Callable[[Site, str | None], Any], Any, Any]] = {
    # how it is presented, what a refused token gets, what no token at all gets
    "header": (in_header, 401, "waits"),
    "subprotocol": (in_subprotocol, 401, "waits"),
    "ticket": (by_ticket, 401, 401),
    "first frame": (as_first_frame, 4500, "invalid token"),
    "in-band refresh": (in_band, ("unauthenticated", "token"), "invalid token"),
    "REST header": (by_rest, 401, 401),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("signer", "fault"), CELLS)
def test_each_pair_of_form_and_fault_has_its_answer(site: Site, signer: str, form: str, fault: str) -> None:
    is_good, make = {**ANY, **OWN[signer]}[fault]
    present, refused, missing = FORMS[form]
    expected = TAKEN if is_good else missing if fault == "missing" else refused
    assert present(site, site.note(make(site.issuer))) == expected


TICKET_FAULTS: dict[str, Callable[[Site], str]] = {
    "missing": lambda _: "",
    "garbage": lambda _: "garbage-that-is-no-ticket",
    "shaped like one": lambda _: "x" * 43,
    "a token": lambda site: site.issuer.token(),
    "used twice": lambda site: used(site, ticket_of(site)),
    "used on another server": lambda site: used(site, ticket_of(site)),
    "expired": lambda site: expired(site, ticket_of(site)),
    "revoked since": lambda site: revoked(site),
    "two of them": lambda site: f"{ticket_of(site)}&ticket={ticket_of(site)}",
}


def ticket_of(site: Site, **told: Any) -> str:
    ticket: str = site.server.post("/api/v1/ws-ticket", {}, site.issuer.token(**told)).json()["ticket"]
    site.note(ticket)
    return ticket


def used(site: Site, ticket: str) -> str:
    assert welcomed(handshake(site, url=f"{site.server.ws_url}?ticket={ticket}")) == TAKEN
    return ticket


def expired(site: Site, ticket: str) -> str:
    [key] = site.store.keys("chat:ticket:*")
    assert 0 < site.store.ttl(key) <= 30
    assert ticket.encode() not in key
    site.store.delete(key)  # as the 30 s do
    return ticket


def revoked(site: Site) -> str:
    user_id = f"leaver-{time.time_ns()}"
    ticket = ticket_of(site, sub=user_id)
    admin = site.issuer.token(sub="root", admin=True)
    assert site.server.post("/api/v1/admin/revocations", {"user_id": user_id}, admin).status_code == 201
    return ticket


@pytest.mark.parametrize("fault", TICKET_FAULTS)
@pytest.mark.parametrize("signer", OWN)
def test_each_faulty_ticket_is_refused_before_the_upgrade(
    site: Site, sites: dict[str, Site], signer: str, fault: str
) -> None:
    site.store.delete(*(site.store.keys("chat:ticket:*") or ["none"]))
    ticket = TICKET_FAULTS[fault](site)
    site.note(ticket)
    at = sites["keys" if signer == "secret" else "secret"] if fault == "used on another server" else site
    assert handshake(at, url=f"{at.server.ws_url}?ticket={ticket}") == 401


@pytest.mark.parametrize("signer", ["secret"])
def test_a_ticket_works_on_every_server_and_keeps_the_end_of_its_token(
    site: Site, sites: dict[str, Site], signer: str
) -> None:
    ends_s = int(time.time()) + 30
    ticket = ticket_of(site, exp=ends_s, name="Ann of the other server")
    client = handshake(sites["keys"], url=f"{sites['keys'].server.ws_url}?ticket={ticket}")
    assert isinstance(client, ChatClient)
    assert client.user_id == "ann"
    [told] = client.until(lambda: client.of("auth-expiring"))
    assert 25_000 < told["expiresInMs"] <= 30_000
    client.close()


@pytest.mark.parametrize("parameter", ["token", "access_token", "TOKEN", "jwt"])
@pytest.mark.parametrize("signer", OWN)
def test_a_token_in_the_address_is_refused_with_the_reason(site: Site, signer: str, parameter: str) -> None:
    token = site.issuer.token()
    site.note(token)
    for good in (None, token):
        assert handshake(site, good, url=f"{site.server.ws_url}?{parameter}={token}") == 401
        assert handshake(site, good, url=f"{site.server.url.replace('http', 'ws')}/?{parameter}={token}") == 401
        answer = site.server.post(f"/api/v1/rooms?{parameter}={token}", {"type": "group"}, good)
        assert (answer.status_code, answer.json()["field"]) == (401, parameter.lower())
        assert token not in answer.text
        assert re.search("never belongs in the address", answer.text)
