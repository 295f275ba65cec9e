"""A TCP port on loopback that nobody uses right now."""

from __future__ import annotations

import socket


def free_port() -> int:
    """Return a port that was free a moment ago; the caller binds it soon, or asks again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
