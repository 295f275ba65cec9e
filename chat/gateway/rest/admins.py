"""What operators alone may do over REST is refused to everybody else here."""

from __future__ import annotations

from chat.errors import Forbidden
from chat.gateway.identity import Identity
from chat.gateway.rest.bodies import who


def require_admin(deed: str) -> Identity:
    """Return who asks with `admin: true` in the token. Raises Unauthenticated, Forbidden."""
    identity = who(deed)
    if not identity.is_admin:
        raise Forbidden(f"{deed} needs a token with admin: true")
    return identity
