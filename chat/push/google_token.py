"""Access tokens for a Google service account, by a signed assertion (RFC 7523); one lasts about an hour."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode

import jwt

from chat.push.base import Later, Result
from chat.push.endpoints import Endpoint
from chat.push.fcm_answers import judge_grant
from chat.push.transport import Answer, Transport

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_LIFE_S = 3600
EARLY_S = 300.0  # so long before its end a token is renewed


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """What an operator gets from Google as a JSON file."""

    project_id: str
    email: str
    private_key: str = field(repr=False)  # PEM, RSA
    key_id: str
    token_endpoint: Endpoint
    token_uri: str


@dataclass(frozen=True, slots=True)
class AccessToken:
    """One token and its end, by time.monotonic()."""

    text: str = field(repr=False)
    ends_at: float


class AccessTokens:
    """One token for all threads, fetched by one of them while the others wait."""

    def __init__(self, account: ServiceAccount, transport: Transport, now: Callable[[], float] = time.time) -> None:
        self._account = account
        self._transport = transport
        self._now = now
        self._token: AccessToken | None = None
        self._lock = threading.Lock()

    def get(self, deadline: float) -> AccessToken | Result:
        """Return a token that can be used, or what keeps us from having one.

        Raises: Unreachable, AddressRefused.
        """
        if (token := self._fresh()) is not None:
            return token
        if not self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return Later("oauth timeout")
        try:
            return self._fresh() or self._fetch(deadline)
        finally:
            self._lock.release()

    def forget(self, token: AccessToken) -> None:
        """Let the next one be fetched: this one was refused."""
        if self._token is token:
            self._token = None

    def _fresh(self) -> AccessToken | None:
        token = self._token
        return token if token is not None and token.ends_at - EARLY_S > time.monotonic() else None

    def _fetch(self, deadline: float) -> AccessToken | Result:
        form = urlencode({"grant_type": GRANT, "assertion": self._assertion()}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        asked_at = time.monotonic()
        answer = self._transport.post(self._account.token_endpoint, headers, form, deadline)
        token = read_token(answer, asked_at)
        if token is None:
            return judge_grant(answer, self._now())
        self._token = token
        return token

    def _assertion(self) -> str:
        account, issued_at = self._account, int(self._now())
        claims = {
            "iss": account.email,
            "scope": SCOPE,
            "aud": account.token_uri,
            "iat": issued_at,
            "exp": issued_at + ASSERTION_LIFE_S,
        }
        return jwt.encode(claims, account.private_key, "RS256", headers={"kid": account.key_id})


def read_token(answer: Answer, asked_at: float) -> AccessToken | None:
    """Return the token in an answer, None when there is none."""
    if answer.status != 200:
        return None
    try:
        told = json.loads(answer.body)
        return AccessToken(str(told["access_token"]), asked_at + float(told.get("expires_in", 3600)))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
