"""Whether a TCP port can be listened on."""

from __future__ import annotations

import socket


def bind_fault(host: str, port: int) -> OSError | None:
    """Try to bind, without SO_REUSEPORT, which would share the port with another server; return the fault."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
            probe.bind(address)
    except OSError as fault:
        return fault
    return None


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen there now."""
    return bind_fault(host, port) is None
