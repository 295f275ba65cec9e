"""Who a request is from: a JWT as bearer header or subprotocol, or in dev mode a guest."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from chat.errors import OriginRefused, Unauthenticated
from chat.model.ids import is_id

ALGORITHM = (
    "HS256"  # the only one believed, so that neither `none` nor another family can be chosen by a token
)
LEEWAY_S = 2
NAME_LIMIT = 128  # characters of a display name
DEV_TOKEN_TTL_S = 24 * 3600
BEARER_PROTOCOL = "bearer."


@dataclass(frozen=True, slots=True)
class Identity:
    """A user as a request shows it. `expires_at` is in seconds since 1970, None for a guest."""

    user_id: str
    name: str
    is_guest: bool = False
    is_admin: bool = False
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Believes tokens signed with one secret, and in dev mode guests."""

    secret: str
    is_dev: bool
    issuer: str | None = None
    audience: str | None = None

    def identify(self, headers: Mapping[str, str]) -> Identity | None:
        """Return who the headers say it is, None when they carry no token; raises Unauthenticated."""
        token = bearer_token(headers)
        return None if token is None else self.verify(token)

    def verify(self, token: str) -> Identity:
        """Return the identity in a token; raises Unauthenticated, which says what is wrong with it."""
        try:
            claims = jwt.decode(
                token,
                self.secret,
                algorithms=[ALGORITHM],
                audience=self.audience,
                issuer=self.issuer,
                leeway=LEEWAY_S,
                options={"require": ["sub", "exp"], "verify_aud": self.audience is not None},
            )
        except (jwt.PyJWTError, UnicodeError) as exc:
            raise Unauthenticated(f"the token is refused ({exc}); get a fresh one", field="token") from exc
        return _identity(claims)

    def mint(self, user_id: str, name: str) -> str:
        """Return a token for tests and trials; the caller has made sure that this is dev mode."""
        claims: dict[str, Any] = {"sub": user_id, "name": name, "exp": int(time.time()) + DEV_TOKEN_TTL_S}
        if self.audience is not None:
            claims["aud"] = self.audience
        if self.issuer is not None:
            claims["iss"] = self.issuer
        return jwt.encode(claims, self.secret, algorithm=ALGORITHM)


def guest() -> Identity:
    """Return a new guest."""
    user_id = f"guest-{secrets.token_hex(6)}"
    return Identity(user_id, user_id, is_guest=True)


def bearer_token(headers: Mapping[str, str]) -> str | None:
    """Return the token of `Authorization: Bearer …` or of the subprotocol `bearer.<jwt>`."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    for offered in headers.get("Sec-WebSocket-Protocol", "").split(","):
        if offered.strip().startswith(BEARER_PROTOCOL):
            return offered.strip().removeprefix(BEARER_PROTOCOL)
    return None


def check_origin(origin: str | None, host: str, allowed: tuple[str, ...]) -> None:
    """Return when a browser page of that origin may connect; raises OriginRefused.

    A request without Origin is no browser, and cross-site attacks need one, so it is let in. The server's own
    origin is whatever Host the request names, under http or https: TLS often ends before this server.
    """
    own = (f"http://{host}".lower(), f"https://{host}".lower())
    if origin is None or origin in allowed or origin.lower() in own:
        return
    raise OriginRefused("this origin is not allowed; add it to ALLOWED_ORIGINS", field="Origin")


def _identity(claims: Mapping[str, Any]) -> Identity:
    user_id, name = claims["sub"], claims.get("name")
    if not is_id(user_id):
        raise Unauthenticated("the token's sub is no user id (A-Z a-z 0-9 _ . -, at most 64)", field="token")
    if name is not None and not _is_name(name):
        raise Unauthenticated(f"the token's name must be 1 to {NAME_LIMIT} characters", field="token")
    return Identity(
        user_id, name or user_id, is_admin=claims.get("admin") is True, expires_at=float(claims["exp"])
    )


def _is_name(name: object) -> bool:
    """Tell whether a name can be shown; JSON may hold halves of a surrogate pair, which can't be sent."""
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_LIMIT:
        return False
    return not any("\ud800" <= letter <= "\udfff" for letter in name)
