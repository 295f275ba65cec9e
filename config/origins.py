"""Who is let in by where a request comes from: browser origins and proxies."""

from __future__ import annotations

import ipaddress
import re

from config.env import SettingError, shown

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:(?P<port>[0-9]{1,5}))?"
)
DEFAULT_PORTS = {"http": "80", "https": "443"}  # browsers leave these out of an Origin


def read_origin(name: str, text: str) -> str:
    """Return an origin as a browser sends it: lower case, without the scheme's default port."""
    mend = "list exact origins such as https://chat.example.org or http://localhost:8080"
    if text == "*" or text.lower() == "null":
        raise SettingError(name, f"lists {shown(text)}, which would let every page in", mend)
    match = ORIGIN.fullmatch(text.lower())
    if match is None:
        raise SettingError(name, f"lists {shown(text)}, which is no scheme://host[:port]", mend)
    port = match["port"]
    if port is not None and not 1 <= int(port) <= 65535:
        raise SettingError(name, f"lists {shown(text)}, whose port is out of range", mend)
    bare = f"{match['scheme']}://{match['host']}"
    return bare if port in (None, DEFAULT_PORTS.get(match["scheme"])) else f"{bare}:{int(port)}"


def read_network(name: str, text: str) -> Network:
    """Return the network that an address or a network in CIDR form names."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        fault = f"lists {shown(text)}, which is no IP address or network"
        raise SettingError(name, fault, "list addresses such as 10.0.0.7 or networks such as 10.0.0.0/8") from None
