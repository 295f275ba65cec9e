"""What a knock at the hosts of a cluster tells (with TLS and on the mock: tests/integration/test_stack_store)."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import gevent
import pytest

from chat.store.couchbase.diagnosis import ANSWER, why_no_answer
from config.couchbase_url import read_couchbase
from tests.support.gevent_run import run_in_gevent
from tests.support.ports import free_port

KNOCK_S = 0.6


@contextmanager
def server(answer: bytes | None) -> Iterator[str]:
    """A host that answers each connection's first bytes so, hangs up (b"") or says nothing (None)."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                link, _ = listener.accept()
                links.append(link)
                if answer is None:
                    continue
                link.recv(1000)
                link.sendall(answer)
                link.shutdown(socket.SHUT_RDWR)

    links: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for link in links:
            link.close()


def fault(*hosts: str, scheme: str = "couchbase") -> str:
    return why_no_answer(read_couchbase(f"{scheme}://u:p@{','.join(hosts)}/b"), KNOCK_S)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (ANSWER * 24, "it answers, but the login did not end in time; "),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is no key-value port of Couchbase; "),
        (b"", "is no key-value port of Couchbase; "),
        (None, "does not answer; "),
    ],
)
def test_the_host_is_told_apart_when_it_is_asked_without_tls(answer: bytes | None, told: str) -> None:
    with server(answer) as host:
        assert told in fault(host)


@pytest.mark.parametrize("answer", [ANSWER * 24, b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_host_without_tls_is_told_when_it_is_asked_with_tls(answer: bytes) -> None:
    with server(answer) as host:
        assert f"{host} does not speak TLS, and couchbases:// does; " in fault(host, scheme="couchbases")


def test_the_host_with_a_fault_is_told_when_another_is_in_order() -> None:
    dead = f"127.0.0.1:{free_port()}"
    with server(ANSWER) as sound:
        assert fault(sound, dead) == fault(dead)
        assert f"{dead} can't be reached, nobody listens there; " in fault(dead, sound)


def test_it_takes_no_longer_than_it_may_when_many_hosts_are_silent() -> None:
    began = time.monotonic()
    with server(None) as one, server(None) as other:
        assert "does not answer" in fault(one, other, one, other)
    assert time.monotonic() - began < 2 * KNOCK_S + 1


@pytest.mark.parametrize("host", ["[::1]:9", "localhost:9"])
def test_a_host_may_be_a_name_or_an_address_of_six(host: str) -> None:
    assert "can't be reached" in fault(host)


@pytest.mark.parametrize(
    ("scheme", "told"), [("couchbases", "does not speak TLS"), ("couchbase", "is no key-value port of Couchbase")]
)
def test_the_same_is_told_when_gevent_has_replaced_the_sockets(scheme: str, told: str) -> None:
    with server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as host:
        assert told in run_in_gevent(fault_in_a_thread, host, scheme)


def fault_in_a_thread(host: str, scheme: str) -> str:
    return str(gevent.get_hub().threadpool.apply(fault, (host,), {"scheme": scheme}))
