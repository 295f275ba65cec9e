"""What a believed token says of a user."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chat.errors import Unauthenticated
from chat.model.ids import is_id

NAME_LIMIT = 128  # characters of a display name


@dataclass(frozen=True, slots=True)
class Identity:
    """A user as a request shows it. Times are in seconds since 1970; a guest's never ends."""

    user_id: str
    name: str
    is_guest: bool = False
    is_admin: bool = False
    expires_at: float | None = None
    issued_at: float | None = None  # None when the token does not say


def guest() -> Identity:
    """Return a new guest."""
    user_id = f"guest-{secrets.token_hex(6)}"
    return Identity(user_id, user_id, is_guest=True, issued_at=time.time())


def identity_of(claims: Mapping[str, Any]) -> Identity:
    """Return the user in the claims of a token that was checked.

    Raises: Unauthenticated, when they name nobody.
    """
    user_id, name = claims["sub"], claims.get("name")
    if not is_id(user_id):
        raise Unauthenticated("the token's sub is no user id (A-Z a-z 0-9 _ . -, at most 64)", field="token")
    if name is not None and not _is_name(name):
        raise Unauthenticated(f"the token's name must be 1 to {NAME_LIMIT} characters", field="token")
    return Identity(
        user_id,
        name or user_id,
        is_admin=claims.get("admin") is True,
        expires_at=_time(claims, "exp"),
        issued_at=_time(claims, "iat"),
    )


def _time(claims: Mapping[str, Any], claim: str) -> float | None:
    try:
        return float(claims[claim]) if claims.get(claim) is not None else None
    except (TypeError, ValueError, OverflowError):
        raise Unauthenticated(f"the token's {claim} is no time", field="token") from None


def _is_name(name: object) -> bool:
    """Tell whether a name can be shown; JSON may hold halves of a surrogate pair, which can't be sent."""
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_LIMIT:
        return False
    return not any("\ud800" <= letter <= "\udfff" for letter in name)
