"""What decides on a request's entry: the keys, tickets, revocations and rates that settings ask for."""

from __future__ import annotations

from chat.gateway.assembly.ground import Ground
from chat.gateway.doorway import Doorway
from chat.gateway.gate import Gate
from chat.gateway.identity import Authenticator
from chat.gateway.identity.jwks import PublishedKeys
from chat.gateway.identity.tickets import Tickets
from chat.gateway.rate import UserRate
from chat.gateway.revocations import Revocations
from config.settings import AuthSettings


def gate_of(ground: Ground) -> Gate:
    """Return the gate."""
    settings, broker = ground.settings, ground.broker
    revocations = Revocations(broker.revocations, ground.hub)
    authenticator = _authenticator(settings.auth, revocations)
    return Gate(
        authenticator,
        settings.web.allowed_origins,
        Tickets(broker.tickets, authenticator),
        revocations,
        Doorway(authenticator.verify),
        settings.web.trusted_proxies,
        UserRate(settings.limits.rest_per_s, noun="requests"),
    )


def _authenticator(auth: AuthSettings, revocations: Revocations) -> Authenticator:
    published = PublishedKeys(auth.jwks_url, auth.jwks_refetch_s) if auth.jwks_url else None
    return Authenticator(auth.secret, auth.is_dev, auth.issuer, auth.audience, published, revocations.refuses)
