"""The redis-py client as the chat sets it up: it gives up soon, repeats nothing and finds its master."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from chat.broker import client as broker_client
from chat.broker.client import RedisAddress, connect, translated
from chat.errors import BrokerUnavailable
from tests.support.ports import free_port
from tests.support.proxy import Fault, Proxy
from tests.support.sentinels import SentinelSet
from tests.support.valkey import ValkeyProcess
from tests.support.wait import eventually


def port_of(url: str) -> int:
    """Return the port in `redis://127.0.0.1:PORT/0`."""
    return int(url.rpartition(":")[2].partition("/")[0])


def test_nothing_is_connected_when_a_client_is_made():
    client = connect(RedisAddress(f"redis://127.0.0.1:{free_port()}/0"))
    with client, pytest.raises(redis.ConnectionError):  # nobody is there, and making it did not notice
        client.ping()


@pytest.mark.fault
@pytest.mark.parametrize("fault", [Fault.RESET, Fault.SWALLOW])
def test_a_command_is_not_repeated_when_its_reply_is_lost(client, redis_url, fault):
    with Proxy(port_of(redis_url)) as proxy, connect(RedisAddress(proxy.url, socket_timeout_s=0.3)) as ours:
        proxy.strike(fault, command=b"XADD")
        with pytest.raises(redis.RedisError):
            ours.xadd("stream", {"a": 1})
        assert client.xlen("stream") == 1
        ours.xadd("stream", {"a": 1})
        assert client.xlen("stream") == 2


@pytest.mark.fault
def test_a_command_gives_up_within_its_timeout_when_redis_is_frozen():
    with ValkeyProcess() as server, connect(RedisAddress(server.url, socket_timeout_s=0.5)) as ours:
        ours.ping()
        server.pause()
        start = time.monotonic()
        with pytest.raises(redis.RedisError):
            ours.ping()
        assert time.monotonic() - start < 1.5
        server.resume()
        assert eventually(ours.ping)


def test_a_command_fails_at_once_when_nobody_listens():
    with connect(RedisAddress(f"redis://127.0.0.1:{free_port()}/0")) as ours:
        start = time.monotonic()
        with pytest.raises(redis.ConnectionError):
            ours.ping()
        assert time.monotonic() - start < 1


def test_commands_wait_their_turn_when_the_pool_is_used_up(redis_url):
    with connect(RedisAddress(redis_url), size=2) as ours, ThreadPoolExecutor(20) as pool:
        assert list(pool.map(lambda _: ours.ping(), range(200))) == [True] * 200


def test_driver_errors_are_translated_with_their_cause_when_they_come_up():
    with pytest.raises(BrokerUnavailable) as caught, translated("accept"):
        raise redis.ResponseError("WRONGTYPE")
    assert (caught.value.action, str(caught.value.__cause__)) == ("accept", "WRONGTYPE")
    assert caught.value.temporary


def test_other_errors_are_left_alone_when_they_come_up():
    with pytest.raises(ZeroDivisionError), translated("accept"):
        _ = 1 / 0


def test_a_unix_socket_serves_when_the_address_names_one(tmp_path):
    path = tmp_path / "s"
    with ValkeyProcess("--unixsocket", str(path)), connect(RedisAddress(f"unix://{path}")) as ours:
        assert ours.ping()


@pytest.mark.parametrize(
    ("url", "hosts", "db", "password"),
    [
        ("sentinel://h1:1,h2:2/chat/3", [("h1", 1), ("h2", 2)], 3, None),
        ("sentinel://h1,[::1]:7/chat", [("h1", 26379), ("::1", 7)], 0, None),
        ("sentinel://me:p%40ss@h1:1/chat/0", [("h1", 1)], 0, "p@ss"),
    ],
)
def test_all_of_the_address_is_used_when_it_names_sentinels(url, hosts, db, password):
    with connect(RedisAddress(url)) as ours:
        pool = ours.connection_pool
        asked = [each.connection_pool.connection_kwargs for each in pool.sentinel_manager.sentinels]
    assert [(each["host"], each["port"]) for each in asked] == hosts
    assert pool.service_name == "chat"
    assert pool.connection_kwargs["db"] == db
    assert pool.connection_kwargs.get("password") == password


def test_the_master_is_found_quickly_when_the_first_sentinel_is_gone():
    with SentinelSet() as servers, connect(RedisAddress(servers.url), size=2) as ours:
        start = time.monotonic()
        assert ours.set("key", "value")
        assert time.monotonic() - start < 1
        with redis.Redis(port=servers.master.port) as master:
            assert master.get("key") == b"value"
        with ThreadPoolExecutor(10) as pool:  # more than the pool holds: they wait
            assert list(pool.map(lambda _: ours.ping(), range(100))) == [True] * 100
        assert _reader_after_an_interrupted_one(ours) == b"value"


def test_the_pool_gives_up_when_sentinel_connections_stay_taken(monkeypatch):
    monkeypatch.setattr(broker_client, "POOL_WAIT_S", 0.2)
    with SentinelSet() as servers, connect(RedisAddress(servers.url), size=1) as ours:
        taken = ours.connection_pool.get_connection()
        with pytest.raises(redis.ConnectionError):
            ours.ping()
        threading.Timer(0.05, ours.connection_pool.release, [taken]).start()
        assert ours.ping()


def _reader_after_an_interrupted_one(ours: redis.Redis) -> object:
    """Interrupt a reader before its reply came, as a killed greenlet is; return what the next one reads."""
    connection = ours.connection_pool.get_connection()
    connection.send_command("ECHO", "for the one who was killed")
    parser, original = connection._parser, connection._parser.read_response

    def interrupt(*args: object, **options: object) -> object:
        raise KeyboardInterrupt

    parser.read_response = interrupt
    with pytest.raises(KeyboardInterrupt):
        connection.read_response()
    parser.read_response = original
    ours.connection_pool.release(connection)
    return ours.get("key")


def test_a_pipeline_of_scripts_is_one_round_trip_and_outlives_their_loss(client, redis_url):
    with connect(RedisAddress(redis_url)) as ours:
        count = ours.register_script("return redis.call('INCR', KEYS[1])")

        def counted():
            pipeline = ours.pipeline(transaction=False)
            count(["a"], client=pipeline)
            pipeline.set("b", "1")
            count(["a"], client=pipeline)
            return pipeline.execute()

        assert counted() == [1, True, 2]  # loaded on the way
        client.config_resetstat()
        assert counted() == [3, True, 4]
        assert not any(name.startswith("cmdstat_script") for name in client.info("commandstats"))
        client.script_flush()
        assert counted() == [5, True, 6]


def test_a_pipeline_of_scripts_raises_what_redis_refused(redis_url):
    with connect(RedisAddress(redis_url)) as ours:
        ours.set("text", "x")
        count = ours.register_script("return redis.call('INCR', KEYS[1])")
        pipeline = ours.pipeline(transaction=False)
        count(["text"], client=pipeline)
        with pytest.raises(redis.ResponseError, match="not an integer"):
            pipeline.execute()
        count(["text"], client=pipeline)
        assert isinstance(pipeline.execute(raise_on_error=False)[0], redis.ResponseError)


def test_an_idle_connection_is_looked_at_without_the_event_loop(redis_url, monkeypatch):
    """gevent's poll takes a whole turn of the loop, even to say that nothing came."""

    def poll():
        raise AssertionError("the patched poll was asked")

    with connect(RedisAddress(redis_url)) as ours:
        ours.ping()
        monkeypatch.setattr("select.poll", poll)
        assert ours.ping()
        assert ours.pipeline(transaction=False).ping().execute() == [True]


def test_a_connection_that_redis_closed_meanwhile_is_not_used_again(client, redis_url):
    with connect(RedisAddress(redis_url)) as ours:
        ours.ping()
        client.client_kill_filter(_id=ours.client_id())
        assert ours.ping()
