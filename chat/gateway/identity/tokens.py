"""Tokens: a JWT in, an identity out, or one error that says what is wrong with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import jwt

from chat.errors import Unauthenticated
from chat.gateway.identity.claims import Identity, identity_of
from chat.gateway.identity.credentials import bearer_token

LEEWAY_S = 2  # by which an issuer's clock may differ from ours
DEV_TOKEN_TTL_S = 24 * 3600


class Key(NamedTuple):
    """What a signature is checked with, and the one algorithm that this key is for."""

    material: Any
    algorithm: str


class Keys(Protocol):
    """Finds the key for a token."""

    def start(self) -> None:
        """Begin to learn keys."""

    def find(self, header: Mapping[str, Any]) -> Key:
        """Return the key for a token with this header, which nobody has vouched for yet.

        Raises: Unauthenticated when there is none, KeysUnavailable when that can't be told now.
        """


@dataclass(frozen=True, slots=True)
class SecretKey:
    """One secret for everything. The algorithm is ours to say: neither `none` nor another family is believed."""

    secret: str

    def start(self) -> None:
        """Know it already."""

    def find(self, _header: Mapping[str, Any]) -> Key:
        return Key(self.secret, "HS256")


def nobody_revoked(_identity: Identity) -> bool:
    """Stand in where no revocations are kept."""
    return False


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Believes tokens signed with one secret, or with one of `keys` when there are some."""

    secret: str
    is_dev: bool
    issuer: str | None = None
    audience: str | None = None
    keys: Keys | None = None
    is_revoked: Callable[[Identity], bool] = nobody_revoked

    def start(self) -> None:
        """Begin to learn the issuer's keys."""
        if self.keys is not None:
            self.keys.start()

    def identify(self, headers: Mapping[str, str]) -> Identity | None:
        """Return who the headers say it is, None when they carry no token; raises as `verify`."""
        token = bearer_token(headers)
        return None if token is None else self.verify(token)

    def verify(self, token: str) -> Identity:
        """Return the identity in a token.

        Raises: Unauthenticated, which says what is wrong with it; KeysUnavailable, BrokerUnavailable.
        """
        keys = self.keys or SecretKey(self.secret)
        try:
            key, algorithm = keys.find(jwt.get_unverified_header(token))
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self.audience,
                issuer=self.issuer,
                leeway=LEEWAY_S,
                options={"require": ["sub", "exp"], "verify_aud": self.audience is not None},
            )
        except (jwt.PyJWTError, UnicodeError) as exc:
            raise Unauthenticated(f"the token is refused ({exc}); get a fresh one", field="token") from exc
        return self.accepted(identity_of(claims))

    def accepted(self, identity: Identity) -> Identity:
        """Return an identity whose token was believed once, if it still stands.

        Raises: Unauthenticated, when it has run out or was revoked since; BrokerUnavailable.
        """
        if identity.expires_at is not None and identity.expires_at <= time.time() - LEEWAY_S:
            raise Unauthenticated("the token has expired; get a fresh one", field="token")
        if self.is_revoked(identity):
            raise Unauthenticated("the token was revoked; sign in again", field="token")
        return identity

    def mint(self, user_id: str, name: str) -> str:
        """Return a token for tests and trials; the caller has made sure that this is dev mode.

        `iat` has milliseconds, so that a token minted right after a revocation is newer than it.
        """
        now = time.time()
        claims: dict[str, Any] = {
            "sub": user_id,
            "name": name,
            "iat": round(now, 3),
            "exp": int(now) + DEV_TOKEN_TTL_S,
        }
        if self.audience is not None:
            claims["aud"] = self.audience
        if self.issuer is not None:
            claims["iss"] = self.issuer
        return jwt.encode(claims, self.secret, algorithm="HS256")
