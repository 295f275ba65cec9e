"""Connections that lead to public addresses only, whatever a name resolves to at the moment of connecting.

The address that was checked is the one that is connected to: a name that changes between a check and a connection
(DNS rebinding) gains nothing. Every wait on such a connection ends at a deadline.
"""

from __future__ import annotations

import ipaddress
import math
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence

import httpcore

from chat.push.endpoints import is_listed

Resolve = Callable[[str, int], Sequence[str]]
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

LOOKUPS_AT_ONCE = 16  # a resolver that hangs holds that many threads and no more
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in IPv6 clothes
NEVER_PUBLIC = tuple(  # what `ipaddress` takes for global, at least in some versions
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",  # protocol assignments, RFC 6890
            "192.88.99.0/24",  # relays of 6to4, RFC 7526
            "64:ff9b:1::/48",  # a network's own NAT64, RFC 8215
            "3fff::/20",  # documentation, RFC 9637
            "fec0::/10",  # site-local, RFC 3879: old, and still routed in houses
        ),
    )
)


class AddressRefused(Exception):
    """A host has no public address, and is not among those that may have another."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host


class GuardedBackend(httpcore.NetworkBackend):
    """Opens the connections of one lane (chat/push/transport.py), which one thread uses at a time."""

    def __init__(self, trusted: Collection[str], resolve: Resolve) -> None:
        self.deadline = math.inf  # time.monotonic(); the lane sets it for each request
        self._trusted = trusted
        self._resolve = resolve
        self._tcp = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of the host's public addresses that answers.

        Raises: AddressRefused, httpcore.ConnectError, httpcore.ConnectTimeout.
        """
        connected_by = min(self.deadline, time.monotonic() + (timeout or math.inf))
        addresses = self._addresses(host, port, connected_by)
        for number, address in enumerate(addresses, 1):
            left_s = left_until(connected_by, httpcore.ConnectTimeout) / (len(addresses) - number + 1)
            try:
                stream = self._tcp.connect_tcp(address, port, left_s, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses):
                    raise
            else:
                return GuardedStream(stream, self, connected_by)
        raise httpcore.ConnectError("no address")

    def _addresses(self, host: str, port: int, by: float) -> list[str]:
        found = look_up(self._resolve, host, port, by)
        if not found:
            raise httpcore.ConnectError("no address")
        good = [each for each in found if is_public(each)]
        if is_listed(host, self._trusted):
            return list(found)
        if not good:
            raise AddressRefused(host)
        return good


class GuardedStream(httpcore.NetworkStream):
    """A connection whose waits end at its lane's deadline."""

    def __init__(self, stream: httpcore.NetworkStream, backend: GuardedBackend, connected_by: float) -> None:
        self._stream = stream
        self._backend = backend
        self._connected_by = connected_by

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has come, and wait for something at most until the deadline."""
        left_s = left_until(self._backend.deadline, httpcore.ReadTimeout)
        return self._stream.read(max_bytes, min(left_s, timeout or math.inf))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it, at most until the deadline."""
        left_s = left_until(self._backend.deadline, httpcore.WriteTimeout)
        self._stream.write(buffer, min(left_s, timeout or math.inf))

    def close(self) -> None:
        """Close it."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Make the handshake in what is left of the time to connect."""
        left_s = left_until(self._connected_by, httpcore.ConnectTimeout)
        secured = self._stream.start_tls(ssl_context, server_hostname, min(left_s, timeout or math.inf))
        return GuardedStream(secured, self._backend, self._connected_by)

    def get_extra_info(self, info: str) -> object:
        """Tell about the socket."""
        return self._stream.get_extra_info(info)


def left_until(deadline: float, late: type[Exception]) -> float:
    """Return the seconds left; raises `late` when there are none."""
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise late("out of time")
    return left_s


def is_public(address: str) -> bool:
    """Return whether an address belongs to the internet at large, in whatever way it is written."""
    ip: IpAddress = ipaddress.ip_address(address.partition("%")[0])
    hidden = _hidden_in(ip) if isinstance(ip, ipaddress.IPv6Address) else None
    if hidden is not None:
        return is_public(str(hidden))
    if any(ip in network for network in NEVER_PUBLIC if network.version == ip.version):
        return False
    is_special = ip.is_private or ip.is_loopback or ip.is_link_local or ip.is_reserved or ip.is_unspecified
    return ip.is_global and not is_special and not ip.is_multicast


def _hidden_in(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that packets to `ip` end at."""
    if ip in NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    teredo = ip.teredo
    return ip.ipv4_mapped or ip.sixtofour or (teredo[1] if teredo else None)


def system_resolve(host: str, port: int) -> list[str]:
    """Ask the system for a host's addresses, the preferred ones first."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


_lookups = threading.BoundedSemaphore(LOOKUPS_AT_ONCE)


def look_up(resolve: Resolve, host: str, port: int, by: float) -> Sequence[str]:
    """Return a host's addresses by a deadline: the system's resolver has no time limit of its own.

    Raises: httpcore.ConnectTimeout, httpcore.ConnectError.
    """
    if not _lookups.acquire(timeout=left_until(by, httpcore.ConnectTimeout)):
        raise httpcore.ConnectTimeout("no name lookup is free")
    answers: queue.SimpleQueue[Sequence[str] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(resolve(host, port))
        except (OSError, UnicodeError) as fault:
            answers.put(fault if isinstance(fault, OSError) else OSError("no name"))
        finally:
            _lookups.release()

    threading.Thread(target=ask, name="push-lookup", daemon=True).start()
    try:
        answer = answers.get(timeout=left_until(by, httpcore.ConnectTimeout))
    except queue.Empty:
        raise httpcore.ConnectTimeout("name lookup") from None
    if isinstance(answer, OSError):
        raise httpcore.ConnectError("name lookup") from answer
    return answer
