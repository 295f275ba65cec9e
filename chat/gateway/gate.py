"""After a request came through here it is known who it is from, or it was refused, before a handshake's answer."""

from __future__ import annotations

from dataclasses import dataclass, field

from flask import g, request
from werkzeug.exceptions import NotFound

from chat.errors import Unauthenticated
from chat.gateway.admission import Network, client_address
from chat.gateway.doorway import Doorway
from chat.gateway.identity import Authenticator, Identity, check_origin, guest
from chat.gateway.identity.credentials import TICKET, refuse_token_in_address
from chat.gateway.identity.tickets import Tickets
from chat.gateway.rate import UserRate
from chat.gateway.revocations import Ear, Revocations

CREDENTIAL_HEADERS = ("Authorization", "Sec-WebSocket-Protocol")


@dataclass(frozen=True, slots=True)
class Gate:
    """What decides on a request's entry."""

    authenticator: Authenticator
    allowed_origins: tuple[str, ...]
    tickets: Tickets
    revocations: Revocations
    doorway: Doorway
    trusted_proxies: tuple[Network, ...] = ()
    rest_rate: UserRate = field(default_factory=lambda: UserRate(0))

    def start(self, ear: Ear) -> None:
        """Begin to learn keys and revocations, and to send strangers away."""
        self.authenticator.start()
        self.revocations.start(ear)
        self.doorway.start()

    def admit(self) -> None:
        """Set `g.identity`: None for a request without a token, and for a WebSocket that has yet to say it.

        Raises: OriginRefused, Unauthenticated, RateLimited; BrokerUnavailable and KeysUnavailable when that
        can't be told now.
        """
        g.identity = None
        if isinstance(request.routing_exception, NotFound):
            return  # what is not there is 404 for everyone
        is_for_api = request.path.startswith("/api/")
        is_socket = not is_for_api and request.headers.get("Upgrade", "").lower() == "websocket"
        if not is_for_api and not is_socket:
            return
        if is_socket:
            check_origin(request.headers.get("Origin"), request.host, self.allowed_origins)
        refuse_token_in_address(request.args)
        headers = {name: request.headers.get(name, "") for name in CREDENTIAL_HEADERS}
        g.identity = self.authenticator.identify(headers)
        if is_for_api and g.identity is not None:
            self.rest_rate.take(g.identity.user_id)
        if is_socket and g.identity is None:
            g.identity = self._identity_of_socket()

    def address(self) -> str:
        """Return where the present request comes from, behind proxies that are trusted."""
        forwarded_for = request.headers.get("X-Forwarded-For", "")
        return client_address(request.remote_addr or "", forwarded_for, self.trusted_proxies)

    def _identity_of_socket(self) -> Identity | None:
        shown = request.args.getlist(TICKET)
        if len(shown) > 1:
            raise Unauthenticated("several tickets are in the address; send one", field=TICKET)
        if shown:
            return self.tickets.redeem(shown[0])
        return guest() if self.authenticator.is_dev else None
