"""Who a request is from: a JWT in one of its places, a ticket, or in dev mode a guest. Knows no connection."""

from __future__ import annotations

from chat.gateway.identity.claims import NAME_LIMIT, Identity, guest
from chat.gateway.identity.credentials import bearer_token
from chat.gateway.identity.origins import check_origin
from chat.gateway.identity.tokens import DEV_TOKEN_TTL_S, LEEWAY_S, Authenticator

__all__ = [
    "DEV_TOKEN_TTL_S",
    "LEEWAY_S",
    "NAME_LIMIT",
    "Authenticator",
    "Identity",
    "bearer_token",
    "check_origin",
    "guest",
]
