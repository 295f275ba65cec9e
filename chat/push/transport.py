"""Requests to push providers: connections kept warm, every wait limited, redirects never followed.

A lane is a set of connections that one thread uses at a time, so that a slow answer delays nobody else, on HTTP/2
too. Lanes wait in a stack: the one used last goes first, and those of an earlier fork are let go of untouched.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import certifi
import h2.exceptions
import httpcore

from chat.push.endpoints import Endpoint
from chat.push.guard import GuardedBackend, Resolve, system_resolve

CONNECT_S = 3.0  # name lookup, TCP and TLS together
READ_S = 10.0  # until something comes
TOTAL_S = 14.0  # one push, with all its requests: the port promises 15
WARM_S = 300.0  # an idle connection is kept for so long; many routers forget it soon after
LANES_KEPT = 64
HOSTS_PER_LANE = 4
BODY_LIMIT = 64 * 1024  # bytes of an answer that are read; errors have a few hundred
KEEPALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
]
STALE = (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError, httpcore.ConnectionNotAvailable)
FAULTS = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.ConnectionNotAvailable,
    h2.exceptions.H2Error,
    OSError,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a push may take in all, and its parts."""

    connect_s: float = CONNECT_S
    read_s: float = READ_S
    total_s: float = TOTAL_S

    def deadline(self) -> float:
        """Return the moment at which a push that starts now has ended."""
        return time.monotonic() + self.total_s


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider said; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Unreachable(Exception):
    """No answer came: `reason` is one word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return what checks providers' certificates: the system's public authorities and the operator's own."""
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"]:  # many containers have none
        context.load_verify_locations(certifi.where())
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


class Lane:
    """Connections of one thread at a time."""

    def __init__(self, tls: ssl.SSLContext, backend: GuardedBackend, is_http2: bool) -> None:
        self.has_served = False
        self.is_spent = False  # an answer was left unread on one of its connections
        self._backend = backend
        self._pool = httpcore.ConnectionPool(
            tls,
            max_connections=HOSTS_PER_LANE,
            keepalive_expiry=WARM_S,
            http1=not is_http2,
            http2=is_http2,
            network_backend=backend,
            socket_options=KEEPALIVE,
        )

    def send(self, request: httpcore.Request, deadline: float) -> Answer:
        """Return the answer to one request."""
        self._backend.deadline = deadline
        response = self._pool.handle_request(request)
        try:
            body = b""
            for chunk in response.iter_stream():
                body += chunk[: BODY_LIMIT - len(body)]
                if len(body) == BODY_LIMIT:
                    self.is_spent = True
                    break
        finally:
            response.close()
        self.has_served = True
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        return Answer(response.status, headers, body)

    def close(self) -> None:
        """Close all of it."""
        self._pool.close()


class Transport:
    """Sends for one provider, from any number of threads of any process."""

    def __init__(
        self,
        tls: ssl.SSLContext,
        trusted: Collection[str] = (),
        limits: Limits | None = None,
        resolve: Resolve = system_resolve,
        is_http2: bool = False,
    ) -> None:
        self.limits = limits or Limits()
        self._tls = tls
        self._trusted = trusted
        self._resolve = resolve
        self._is_http2 = is_http2
        self._pid = 0
        self._idle: deque[Lane] = deque()  # its pop and append need no lock, which a fork could leave taken

    def post(self, to: Endpoint, headers: Mapping[str, str], body: bytes, deadline: float) -> Answer:
        """Return the answer, whatever its status.

        Raises: Unreachable, AddressRefused.
        """
        lane = self._take_lane()
        was_warm = lane.has_served
        request = self._request(to, headers, body)
        try:
            return self._send(lane, request, deadline)
        except STALE:
            if not was_warm:
                raise Unreachable("closed") from None
        except FAULTS as fault:
            raise Unreachable(_reason_of(fault)) from fault
        # the other side had let go of the idle connection: a repeat on a new one, which the device shows once
        try:
            return self._send(self._new_lane(), request, deadline)
        except FAULTS as fault:
            raise Unreachable(_reason_of(fault)) from fault

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            self._idle.pop().close()

    def _send(self, lane: Lane, request: httpcore.Request, deadline: float) -> Answer:
        try:
            answer = lane.send(request, deadline)
        except BaseException:
            lane.close()  # what is left on its connections belongs to nobody
            raise
        if lane.is_spent or len(self._idle) >= LANES_KEPT:
            lane.close()
        else:
            self._idle.append(lane)
        return answer

    def _request(self, to: Endpoint, headers: Mapping[str, str], body: bytes) -> httpcore.Request:
        url = httpcore.URL(scheme="https", host=to.host, port=to.port, target=to.target)
        told: list[tuple[bytes | str, bytes | str]] = [
            ("Host", to.authority),
            ("Content-Length", str(len(body))),
            *headers.items(),
        ]
        limits = {"connect": self.limits.connect_s, "read": self.limits.read_s, "write": self.limits.read_s}
        return httpcore.Request("POST", url, headers=told, content=body, extensions={"timeout": limits})

    def _take_lane(self) -> Lane:
        if self._pid != os.getpid():
            self._idle = deque()  # the parent's: closing them here would end its TLS sessions
            self._pid = os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return self._new_lane()

    def _new_lane(self) -> Lane:
        backend = GuardedBackend(self._trusted, self._resolve)
        return Lane(self._tls, backend, self._is_http2)


def _reason_of(fault: Exception) -> str:
    if isinstance(fault, (httpcore.ConnectTimeout, httpcore.ConnectError)):
        return "tls" if isinstance(fault.__cause__ or fault.__context__, ssl.SSLError) else "connect"
    return "timeout" if isinstance(fault, httpcore.TimeoutException) else "closed"
