"""A token's end is its connection's: warned a minute before, closed at the end, unless a fresh token came."""

from __future__ import annotations

import math
import time
from typing import Any

from chat.errors import Unauthenticated
from chat.gateway.identity import Identity
from chat.gateway.session import Session
from chat.model.clock import rfc3339
from chat.protocol import codec

TOKEN_EXPIRED = 4002
WARNING_S = 60.0  # enough to fetch a fresh token, on a slow day too
LAST_SECOND = 253_402_300_799.0  # of the year 9999: what a date can say


def begin(session: Session) -> None:
    """Look after a session's token from now on; warn at once when little of it is left."""
    expires_at = session.identity.expires_at
    session.auth_due = math.inf if expires_at is None else expires_at - WARNING_S
    if session.auth_due <= (now := time.time()):
        act(session, now)


def act(session: Session, now: float) -> None:
    """Do what is due: the one warning that each token gets, then the end."""
    expires_at = session.identity.expires_at
    if expires_at is None:
        session.auth_due = math.inf
    elif session.auth_due < expires_at:
        session.auth_due = expires_at
        told = {"expiresAt": _told(expires_at), "expiresInMs": max(0, round((expires_at - now) * 1000))}
        session.tell(codec.event_frame("auth-expiring", told))
    elif expires_at <= now:
        session.auth_due = math.inf
        session.close(TOKEN_EXPIRED, "token expired")


def refresh(session: Session, fresh: Identity) -> dict[str, Any]:
    """Let a session go on under a fresh token of its user; return what to answer.

    Raises: Unauthenticated, when it is another's; nothing has changed then.
    """
    if fresh.user_id != session.user_id or session.identity.is_guest:
        raise Unauthenticated(
            "this connection is another user's, and goes on as before; connect anew to be somebody else",
            field="token",
        )
    is_same_end = fresh.expires_at == session.identity.expires_at
    session.identity = fresh
    if not is_same_end:
        begin(session)
    return answer(session)


def answer(session: Session) -> dict[str, Any]:
    """Return the result of an `authenticate` that was taken."""
    expires_at = session.identity.expires_at
    return {"userId": session.user_id, "expiresAt": None if expires_at is None else _told(expires_at)}


def _told(expires_at: float) -> str:
    return rfc3339(int(min(expires_at, LAST_SECOND) * 1000))
