"""Why a cluster does not answer, found by knocking at its hosts: the SDK says of all of it that time ran out."""

from __future__ import annotations

import ssl
import struct
import time
from typing import Any

from gevent.monkey import get_original

from config.couchbase_url import HOST, CouchbaseAddress

KNOCK_S = 1.5  # for all hosts together
PORT, TLS_PORT = 11210, 11207
# SASL_LIST_MECHS: any key-value node answers it, before a login. The empty lines make servers of text protocols
# say something too, and wait for their rest at a node.
QUESTION = struct.pack(">BBHBBHIIQ", 0x80, 0x20, 0, 0, 0, 0, 0, 0, 0) + b"\r\n\r\n"
ANSWER = b"\x81"  # how an answer begins
RECORD_BYTES = 16 * 1024  # of TLS

_START = (
    f"start Couchbase there or mend STORE_URL (its port is the one for keys and values, {PORT} if none is named)"
)
_USE_TLS = f"mend STORE_URL: couchbases:// for TLS, or the port without it ({PORT})"
_NO_TLS = f"mend STORE_URL: couchbase:// without TLS, or the port with it ({TLS_PORT})"
_TRUST = "name a file with the cluster's authority in STORE_URL: ?certificate=FILE"

# Native ones: the caller's thread may be unknown to gevent.
_socket, _getaddrinfo, _gaierror = get_original("socket", ["socket", "getaddrinfo", "gaierror"])


def why_no_answer(address: CouchbaseAddress, knock_s: float = KNOCK_S) -> str:
    """Say what is wrong with the first host that has a fault, and the mend behind a semicolon."""
    end = time.monotonic() + knock_s
    places = [_place(host, address.is_tls) for host in address.hosts]
    for number, (name, port) in enumerate(places):
        share_s = max(end - time.monotonic(), 0.1) / (len(places) - number)
        if fault := _Knock(address, name, port, time.monotonic() + share_s).fault():
            return fault
    return "it answers, but the login did not end in time; look at the cluster's load, or wait until it has started"


class _Knock:
    """One look at one host."""

    def __init__(self, address: CouchbaseAddress, name: str, port: int, deadline: float) -> None:
        self._address = address
        self._name = name
        self._port = port
        self._deadline = deadline
        self._where = f"{name}:{port}"

    def fault(self) -> str | None:
        """Say what is wrong, or None where a node answers as the SDK needs it."""
        try:
            return self._fault_with_tls() if self._address.is_tls else self._fault_without_tls()
        except _gaierror:
            return f"{self._name} is no host that is known here; mend the host in STORE_URL, or the name service"
        except ConnectionRefusedError:
            return f"{self._where} can't be reached, nobody listens there; {_START}"
        except TimeoutError:
            return f"{self._where} does not answer; {_START}"
        except OSError as exc:
            return f"{self._where} can't be reached ({exc.strerror or type(exc).__name__}); {_START}"

    def _fault_without_tls(self) -> str | None:
        try:
            if self._ask() == ANSWER:
                return None
        except TimeoutError:
            if self._speaks_tls():  # and waits for us to begin
                return f"{self._where} speaks TLS, and couchbase:// does not; {_USE_TLS}"
            raise
        if self._speaks_tls():
            return f"{self._where} speaks TLS, and couchbase:// does not; {_USE_TLS}"
        return f"{self._where} is no key-value port of Couchbase; {_START}"

    def _fault_with_tls(self) -> str | None:
        try:
            self._shake_hands(_trusting(self._address.certificate))
        except ssl.SSLCertVerificationError as exc:
            return f"{self._where} has a TLS certificate that is not trusted: {exc.verify_message}; {_TRUST}"
        except (ssl.SSLError, ConnectionResetError):  # without TLS one hangs up, or says something else
            return f"{self._where} does not speak TLS, and couchbases:// does; {_NO_TLS}"
        return None

    def _ask(self) -> bytes:
        """Ask a question without TLS and return how the answer begins: nothing where one hangs up."""
        with self._connected() as link:
            link.sendall(QUESTION)
            link.settimeout(self._left_s() / 2)  # the rest is for TLS
            try:
                return bytes(link.recv(1))
            except ConnectionResetError:
                return b""

    def _speaks_tls(self) -> bool:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # nothing is sent: whether it is TLS is all that counts
        try:
            self._shake_hands(context)
        except OSError:
            return False
        return True

    def _shake_hands(self, context: Any) -> None:
        with self._connected() as link:
            _shake_hands(link, context, self._name)

    def _connected(self) -> Any:
        family, kind, protocol, _, place = _getaddrinfo(self._name, self._port, type=1)[0]
        link = _socket(family, kind, protocol)
        try:
            link.settimeout(self._left_s())
            link.connect(place)
        except BaseException:
            link.close()
            raise
        return link

    def _left_s(self) -> float:
        return max(self._deadline - time.monotonic(), 0.05)


def _shake_hands(link: Any, context: Any, name: str) -> None:
    """Carry the handshake's bytes by hand: gevent has put its own sockets in place of TLS's."""
    heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
    engine = context.wrap_bio(heard, said, server_hostname=name)
    is_done = False
    while not is_done:
        try:
            engine.do_handshake()
            is_done = True
        except ssl.SSLWantReadError:
            pass
        link.sendall(said.read())
        if not is_done:
            heard.write(answer) if (answer := link.recv(RECORD_BYTES)) else heard.write_eof()


def _trusting(certificate: str | None) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if certificate:
        context.load_verify_locations(certificate)
    else:
        context.load_default_certs()
    return context


def _place(host: str, is_tls: bool) -> tuple[str, int]:
    match = HOST.fullmatch(host)
    if match is None:  # the address was read before, so it does match
        return host, PORT
    return match[1].strip("[]"), int(match[2] or (TLS_PORT if is_tls else PORT))
