"""Why a cluster does not answer: the SDK says of all of it that time ran out."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

from gevent.monkey import get_original

from config.couchbase_url import HOST, CouchbaseAddress

PORTS = {False: 11210, True: 11207}  # without and with TLS
TRY_S = 1.0  # for each host

# Native ones: the caller's thread may be unknown to gevent.
_socket, _getaddrinfo = get_original("socket", ["socket", "getaddrinfo"])


def why_no_answer(address: CouchbaseAddress) -> str:
    """Say what is wrong with the first host that has a fault, or that they answer but not as Couchbase."""
    for host in address.hosts[:3]:
        match = HOST.fullmatch(host)
        if match is not None:
            port = int(match[2] or PORTS[address.is_tls])
            fault = _fault_of(match[1].strip("[]"), port, address)
            if fault:
                return f"{match[1]}:{port} {fault}"
    return "it answers, but not as Couchbase does; is the port one for keys and values?"


def _fault_of(host: str, port: int, address: CouchbaseAddress) -> str | None:
    try:
        family, kind, protocol, _, place = _getaddrinfo(host, port, type=1)[0]
    except OSError:
        return "is no host that can be found"
    with _socket(family, kind, protocol) as connection:
        connection.settimeout(TRY_S)
        return _tried(lambda: _greet(connection, place, host, address))


def _greet(connection: Any, place: Any, host: str, address: CouchbaseAddress) -> None:
    connection.connect(place)
    if address.is_tls:
        context = get_original("ssl", "SSLContext")(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(address.certificate) if address.certificate else context.load_default_certs()
        context.wrap_socket(connection, server_hostname=host).close()


def _tried(greet: Callable[[], None]) -> str | None:
    try:
        greet()
    except ssl.SSLCertVerificationError as exc:
        return f"shows a certificate that is not trusted ({exc.verify_message})"
    except ssl.SSLError:
        return "does not speak TLS; use couchbase:// or its TLS port"
    except TimeoutError:
        return "does not answer"
    except ConnectionRefusedError:
        return "refuses connections; is it running, and is the port right?"
    except OSError as exc:
        return f"can't be reached ({exc.strerror})"
    return None
