"""Commands and scripts in one round trip on a real server, by a redis-py client and by raw connections alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest
import redis
from gevent.event import Event

from chat.broker import scripts
from chat.broker.asking import Asking, Command, PipelineAsking, script_call
from chat.broker.client import RedisAddress, connect
from chat.broker.wire import Wire
from chat.broker.wire_asking import WireAsking
from tests.support.proxy import Fault, Proxy
from tests.support.valkey import ValkeyProcess

COUNT = scripts.load("count_unread")
COLD = script_call(COUNT, ["chat:head:{1}:r", "chat:read:{1}:r", "chat:removed:{1}:r"], ["ann"])


@pytest.fixture
def wires(redis_url: str) -> Iterator[WireAsking]:
    wires = WireAsking(RedisAddress(redis_url))
    yield wires
    wires.close()


@pytest.fixture(params=["pipeline", "wires"])
def asking(request: pytest.FixtureRequest, redis_url: str, wires: WireAsking) -> Asking:
    return wires if request.param == "wires" else PipelineAsking(connect(RedisAddress(redis_url)))


def test_each_command_has_its_reply(asking):
    commands = [Command((b"SET", "key", 7)), COLD, Command((b"GET", "key"))]
    assert asking.ask(commands)[1:] == [[b"cold"], b"7"]


def test_a_script_that_redis_does_not_have_is_brought_to_it(asking, client):
    client.script_flush()
    assert asking.ask([Command((b"INCR", "before")), COLD]) == [1, [b"cold"]]
    assert asking.ask([Command((b"INCR", "before")), COLD]) == [2, [b"cold"]]  # it has it now


def test_what_follows_a_script_that_redis_does_not_have_is_done_behind_it_again(wires, client):
    client.script_flush()
    commands = [Command((b"INCR", "before")), COLD, Command((b"INCR", "behind"))]
    assert wires.ask(commands) == [1, [b"cold"], 2]
    assert wires.ask(commands) == [2, [b"cold"], 3]


def test_a_refusal_is_raised_and_the_next_asker_is_answered(asking):
    asking.ask([Command((b"SET", "text", "a"))])
    with pytest.raises(redis.ResponseError, match="integer"):
        asking.ask([Command((b"INCR", "text")), Command((b"GET", "text"))])
    assert asking.ask([Command((b"GET", "text"))]) == [b"a"]


def test_many_ask_at_once_over_a_bounded_number_of_connections(redis_url, client, monkeypatch):
    replies = Wire.replies

    def replies_after_others_ran(wire: Wire, count: int) -> list[Any]:
        gevent.sleep(0)
        return replies(wire, count)

    monkeypatch.setattr(Wire, "replies", replies_after_others_ran)
    wires = WireAsking(RedisAddress(redis_url), limit=3)
    before = client.info("clients")["connected_clients"]
    asked = [gevent.spawn(wires.ask, [Command((b"ECHO", f"{number}"))]) for number in range(50)]
    gevent.joinall(asked, raise_error=True)
    assert [each.value for each in asked] == [[b"%d" % number] for number in range(50)]
    assert client.info("clients")["connected_clients"] - before == 3
    wires.close()


def test_a_connection_that_ended_while_nobody_used_it_is_not_used():
    with ValkeyProcess() as server:
        wires = WireAsking(RedisAddress(server.url))
        assert wires.ask([Command((b"PING",))]) == [b"PONG"]
        server.restart()
        assert wires.ask([Command((b"PING",))]) == [b"PONG"]
        wires.close()


@pytest.mark.fault
@pytest.mark.parametrize("fault", [Fault.RESET, Fault.GARBLE, Fault.SWALLOW, Fault.HANG])
def test_who_is_cut_off_leaves_no_reply_to_the_next_and_nothing_is_sent_twice(redis_url, client, fault):
    port = int(redis_url.rpartition(":")[2].partition("/")[0])
    with Proxy(port) as proxy:
        wires = WireAsking(RedisAddress(proxy.url, socket_timeout_s=0.3))
        wires.ask([Command((b"PING",))])
        proxy.strike(fault, command=b"INCR")
        with pytest.raises(OSError):  # noqa: PT011 - each fault has its own text
            wires.ask([Command((b"INCR", "count"))])
        assert wires.ask([Command((b"ECHO", "mine"))]) == [b"mine"]
        assert int(client.get("count") or 0) == (0 if fault is Fault.HANG else 1)
        wires.close()


def test_a_killed_asker_leaves_no_reply_to_the_next(wires, monkeypatch):
    wires.ask([Command((b"PING",))])
    with monkeypatch.context() as patch:
        patch.setattr(Wire, "replies", lambda *_: Event().wait())  # no reply comes
        asker = gevent.spawn(wires.ask, [Command((b"ECHO", "lost"))])
        gevent.sleep(0)
        assert not asker.ready()
        asker.kill()
    assert wires.ask([Command((b"ECHO", "mine"))]) == [b"mine"]


def test_a_wire_is_quiet_until_something_came_or_it_ended(redis_url):
    wire = Wire(RedisAddress(redis_url))
    assert not wire.is_quiet()
    wire.open()
    assert wire.is_quiet()
    wire.send(b"PING\r\n")
    assert wire.replies(1) == [b"PONG"]
    assert wire.is_quiet()
    wire.close()
    assert not wire.is_quiet()
