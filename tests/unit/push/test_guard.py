import socket
import threading
import time

import httpcore
import pytest

from chat.push.guard import LOOKUPS_AT_ONCE, is_public, left_until, look_up, system_resolve


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.9",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001:0:4136:e378:8000:63bf:f5ff:fffe",  # Teredo to 10.0.0.1
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fe80::1%eth0",
        "ff02::1",
        "2001:db8::1",
        "100::1",
        "192.0.0.9",
        "192.88.99.1",
        "64:ff9b:1::7f00:1",
        "3fff::1",
        "fec0::1",
    ],
)
def test_an_address_of_the_house_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "142.250.74.138", "17.253.144.10", "2606:4700:4700::1111", "64:ff9b::101:101"]
)
def test_an_address_of_the_internet_is_public(address):
    assert is_public(address)


def test_loopback_is_found_by_its_name():
    assert "127.0.0.1" in system_resolve("localhost", 443)


def test_a_lookup_is_given_up_when_the_resolver_hangs():
    ends = threading.Event()
    started = time.monotonic()
    with pytest.raises(httpcore.ConnectTimeout):
        look_up(lambda host, port: ["1.1.1.1"] if ends.wait(30) else [], "a.b", 443, started + 0.2)
    ends.set()
    assert time.monotonic() - started < 5


def test_lookups_that_hang_are_bounded():
    ends, running = threading.Event(), []

    def hang(host: str, port: int) -> list[str]:
        running.append(host)
        ends.wait(30)
        return []

    def ask() -> None:
        with pytest.raises(httpcore.ConnectTimeout):
            look_up(hang, "a.b", 443, time.monotonic() + 0.5)

    threads = [threading.Thread(target=ask) for _ in range(LOOKUPS_AT_ONCE * 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(running) == LOOKUPS_AT_ONCE
    ends.set()
    assert look_up(lambda host, port: ["1.1.1.1"], "a.b", 443, time.monotonic() + 5) == ["1.1.1.1"]


@pytest.mark.parametrize("fault", [socket.gaierror(-2, "unknown"), UnicodeError("label too long")])
def test_a_name_that_is_none_is_a_fault_of_the_connection(fault):
    def fail(host: str, port: int) -> list[str]:
        raise fault

    with pytest.raises(httpcore.ConnectError):
        look_up(fail, "a.b", 443, time.monotonic() + 5)


def test_there_is_no_time_left_after_the_deadline():
    with pytest.raises(httpcore.ReadTimeout):
        left_until(time.monotonic() - 1, httpcore.ReadTimeout)
