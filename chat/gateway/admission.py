"""How many connections a user and an address have here, and where the client really is behind proxies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from chat.errors import LimitReached

Network = IPv4Network | IPv6Network
HOME_PREFIX = 64  # of IPv6: a household has a whole /64, so its addresses count as one


@dataclass(slots=True)
class Admission:
    """The connections of this process; a limit of 0 is none. `is_loopback_free` leaves loopback uncounted."""

    per_user: int
    per_address: int
    is_loopback_free: bool = False
    users: Counter[str] = field(default_factory=Counter)
    addresses: Counter[str] = field(default_factory=Counter)

    def enter(self, user_id: str, address: str) -> None:
        """Count a connection; raises LimitReached, and then it is not counted."""
        place = _place(address)
        if self.per_user and self.users[user_id] >= self.per_user:
            raise LimitReached(f"at most {self.per_user} connections a user; close one")
        if self.per_address and self.addresses[place] >= self.per_address and not self._is_free(address):
            raise LimitReached(f"at most {self.per_address} connections an address; close one")
        self.users[user_id] += 1
        self.addresses[place] += 1

    def leave(self, user_id: str, address: str) -> None:
        """Forget a connection that was counted."""
        for counter, name in ((self.users, user_id), (self.addresses, _place(address))):
            counter[name] -= 1
            if counter[name] <= 0:
                del counter[name]

    def _is_free(self, address: str) -> bool:
        try:
            return self.is_loopback_free and ip_address(address).is_loopback
        except ValueError:
            return False


def client_address(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """Return the address a request comes from.

    `X-Forwarded-For` is believed from the right, as long as the proxy that wrote it is trusted; what a client
    wrote into it itself stands further left and is not looked at.
    """
    address = peer
    for named in reversed([part.strip() for part in forwarded_for.split(",") if part.strip()]):
        if not _is_trusted(address, trusted):
            break
        address = named
    return address


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in trusted)


def _place(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address) or found.is_loopback:
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ip_network((found, HOME_PREFIX), strict=False))
