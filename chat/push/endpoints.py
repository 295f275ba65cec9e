"""Where a Web Push subscription may lead: an https address on a host of the operator's list, and nowhere else.

Everything here is decided from the text alone; that the host has a public address is seen when it is connected
to (chat/push/guard.py).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

ENDPOINT_LIMIT = 2048  # characters; the longest that browsers make have about 600
HTTPS_PORT = 443
HOST = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
# stricter than the RFCs on purpose: what can be read in one way only can't be read differently elsewhere
ADDRESS = re.compile(
    rf"https://(?P<host>{HOST})(?::(?P<port>[0-9]{{1,5}}))?(?P<target>/[A-Za-z0-9._~:/?!$&'()*+,;=%@-]*)?",
    re.IGNORECASE,
)
# hosts that serve more than subscriptions: another path would let a user speak to their other services through us
SUBSCRIPTION_PATHS = {"fcm.googleapis.com": ("/fcm/send/", "/wp/")}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An https address in its parts."""

    host: str  # lower case
    port: int
    target: str  # path and query, starts with /

    @property
    def origin(self) -> str:
        """As RFC 6454 writes it: without the scheme's own port."""
        return f"https://{self.authority}"

    @property
    def authority(self) -> str:
        """Host, and port where it isn't the scheme's own."""
        return self.host if self.port == HTTPS_PORT else f"{self.host}:{self.port}"


def check_endpoint(url: str, hosts: Collection[str], trusted: Collection[str] = ()) -> str | None:
    """Return what is wrong with the endpoint of a subscription, None when it may be pushed to.

    `hosts` are names or `*.` patterns (PUSH_WEBPUSH_HOSTS); those in `trusted` may have a port of their own
    (PUSH_TRUSTED_HOSTS).
    """
    read = read_endpoint(url, hosts, trusted)
    return read if isinstance(read, str) else None


def read_endpoint(url: str, hosts: Collection[str], trusted: Collection[str] = ()) -> Endpoint | str:
    """Return the parts of an endpoint, or what is wrong with it."""
    if len(url) > ENDPOINT_LIMIT:
        return f"is longer than {ENDPOINT_LIMIT} characters"
    endpoint = read_address(url)
    if endpoint is None:
        return "is no https:// address of the plain kind that push services give"
    if not is_listed(endpoint.host, hosts):
        return "is on a host that is not among the push services of this server"
    if endpoint.port != HTTPS_PORT and not is_listed(endpoint.host, trusted):
        return "names a port of its own"
    if not _leads_to_a_subscription(endpoint):
        return "is not where this push service keeps subscriptions"
    return endpoint


def read_address(url: str) -> Endpoint | None:
    """Return the parts of an https address, None for everything else (users, fragments, IPv6 literals)."""
    match = ADDRESS.fullmatch(url)
    if match is None:
        return None
    port = int(match["port"] or HTTPS_PORT)
    is_port = 1 <= port <= 65535
    return Endpoint(match["host"].lower(), port, match["target"] or "/") if is_port else None


def is_listed(host: str, patterns: Collection[str]) -> bool:
    """Return whether one of `patterns` names the host; `*.` stands for at least one name before."""
    return any(
        host.endswith(pattern[1:].lower()) if pattern.startswith("*.") else host == pattern.lower()
        for pattern in patterns
    )


def _leads_to_a_subscription(endpoint: Endpoint) -> bool:
    paths = SUBSCRIPTION_PATHS.get(endpoint.host)
    if paths is None:
        return True
    path = endpoint.target.partition("?")[0].lower()
    return path.startswith(paths) and ".." not in path and "%2e" not in path
