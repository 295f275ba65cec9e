"""The raw connection: packed commands out, parsed replies in, every fault an OSError."""

from __future__ import annotations

from collections.abc import Iterator

import hiredis
import pytest
import redis

from chat.broker.client import RedisAddress
from chat.broker.wire import Wire, pack
from tests.support.ports import free_port
from tests.support.proxy import Fault, Proxy
from tests.support.valkey import ValkeyProcess


@pytest.fixture
def wire(redis_url: str) -> Iterator[Wire]:
    """An open connection."""
    wire = Wire(RedisAddress(redis_url))
    wire.open()
    yield wire
    wire.close()


def test_replies_come_in_order_when_commands_are_sent_together(wire):
    wire.send(b"".join(pack(("ECHO", n)) for n in range(1000)))
    assert wire.replies(1000) == [b"%d" % n for n in range(1000)]


def test_a_reply_is_whole_when_it_needs_several_reads(wire):
    text = b"x" * 3_000_000
    wire.send(pack((b"ECHO", text)))
    assert wire.replies(1) == [text]


def test_an_error_reply_is_one_of_the_replies_when_a_command_is_refused(wire):
    wire.send(pack(("SET", "key", "text")) + pack(("INCR", "key")) + pack(("GET", "key")))
    ok, error, value = wire.replies(3)
    assert (ok, value) == (b"OK", b"text")
    assert isinstance(error, hiredis.ReplyError)


def test_call_returns_or_raises_when_one_command_is_sent(wire):
    assert wire.call("SET", "key", 7) == b"OK"
    assert wire.call(b"GET", "key") == b"7"
    with pytest.raises(ConnectionError, match="unknown command"):
        wire.call("NOSUCHCOMMAND")


def test_a_reply_is_seen_only_when_it_was_received(wire):
    assert wire.next_reply() is False
    wire.send(pack(("PING",)))
    wire.receive()
    assert wire.next_reply() == b"PONG"
    assert wire.next_reply() is False


def test_it_serves_again_when_it_was_closed_and_opened(wire):
    for _ in range(5):
        wire.send(pack(("PING",)))  # a reply that nobody reads
        wire.close()
        assert not wire.is_open
        wire.open()
        assert wire.call("ECHO", "mine") == b"mine"


def test_closing_changes_nothing_when_it_is_closed(wire):
    wire.close()
    wire.close()
    assert not wire.is_open


def test_an_oserror_is_raised_and_it_stays_closed_when_nobody_listens():
    wire = Wire(RedisAddress(f"redis://127.0.0.1:{free_port()}/0"))
    for _ in range(3):
        with pytest.raises(OSError, match="refused"):
            wire.open()
        assert not wire.is_open


def test_an_oserror_is_raised_when_the_password_is_wrong():
    with ValkeyProcess() as server:
        with redis.Redis.from_url(server.url) as operator:
            operator.config_set("requirepass", "right")
        wire = Wire(RedisAddress(server.url.replace("//", "//:wrong@")))
        with pytest.raises(OSError, match="invalid username-password"):
            wire.open()
        wire = Wire(RedisAddress(server.url.replace("//", "//:right@")))
        wire.open()
        assert wire.call("PING") == b"PONG"
        wire.close()


def test_a_timeout_is_raised_when_nothing_arrives(wire):
    wire.set_timeout(0.05)
    with pytest.raises(TimeoutError):
        wire.receive()


@pytest.mark.fault
@pytest.mark.parametrize("fault", [Fault.RESET, Fault.GARBLE, Fault.SWALLOW, Fault.HANG])
def test_an_oserror_is_raised_and_it_can_be_opened_again_when_the_link_is_faulty(redis_url, fault):
    port = int(redis_url.rpartition(":")[2].partition("/")[0])
    with Proxy(port) as proxy:
        wire = Wire(RedisAddress(proxy.url, socket_timeout_s=0.3))
        wire.open()
        proxy.strike(fault, command=b"INCR")
        with pytest.raises(OSError):  # noqa: PT011 - each fault has its own text
            wire.call("INCR", "count")
        wire.open()
        assert int(wire.call("GET", "count") or 0) == (0 if fault is Fault.HANG else 1)
        wire.close()


@pytest.mark.fault
def test_an_oserror_is_raised_when_redis_dies():
    with ValkeyProcess() as server:
        wire = Wire(RedisAddress(server.url))
        wire.open()
        server.kill()
        with pytest.raises(OSError):  # noqa: PT011 - reset or end of stream
            wire.call("PING")
        wire.close()
