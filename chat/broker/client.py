"""Connections to Redis, with redis-py's defaults replaced by ones that suit a chat.

redis-py 8 repeats a command 10 times by itself (one lost reply made 11 stream entries) and blocks for
57 s on a hung server; here a command gives up in seconds and nothing is repeated behind our back.
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis
from gevent import monkey
from redis.backoff import NoBackoff
from redis.connection import DefaultParser
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MaxConnectionsError, NoScriptError, RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool, SentinelManagedConnection

from chat.errors import BrokerUnavailable
from config.urls import read_sentinel

POOL_SIZE = 64  # greenlets beyond that wait for a free connection instead of failing
POOL_WAIT_S = 2.0
POOL_POLL_S = 0.01  # redis-py's Sentinel pool has nothing to wait on
_poll: Any = monkey.get_original("select", "poll")  # the system's own, whether gevent has patched it or not


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where Redis is and how long to wait for it."""

    url: str
    socket_timeout_s: float = 2.0
    connect_timeout_s: float = 1.0


def connection_pool(address: RedisAddress, *, size: int = POOL_SIZE, **options: Any) -> redis.ConnectionPool:
    """Return a pool for `redis://`, `rediss://`, `unix://` or `sentinel://h:p,h:p/SERVICE/DB`."""
    options = {
        "socket_timeout": address.socket_timeout_s,
        "socket_connect_timeout": address.connect_timeout_s,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        "parser_class": _Parser,
    } | options
    if address.url.startswith("sentinel://"):
        return _sentinel_pool(address, size, options)
    if address.url.startswith("unix://"):
        del options["socket_keepalive"]
    return redis.BlockingConnectionPool.from_url(address.url, max_connections=size, timeout=POOL_WAIT_S, **options)


def connect(address: RedisAddress, *, size: int = POOL_SIZE) -> redis.Redis:
    """Return a client; no connection is made before the first command, so it may be made before a fork."""
    return _Client(connection_pool=connection_pool(address, size=size))


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Turn what redis-py raises into BrokerUnavailable, keeping the cause."""
    try:
        yield
    except (RedisError, OSError) as exc:
        raise BrokerUnavailable(action) from exc


def is_quiet(sock: Any) -> bool:
    """Tell whether nothing came on a connection: neither bytes nor its end."""
    pending = getattr(sock, "pending", None)  # TLS may hold bytes that were read already
    if pending and pending():
        return False
    poller = _poll()
    poller.register(sock.fileno(), select.POLLIN)
    return not poller.poll(0)


class _Parser(DefaultParser):  # type: ignore[misc, valid-type]  # hiredis's, untyped
    """Sees at once that nothing came on an idle connection, which redis-py asks before every command.

    It asks with `poll(0)`, and gevent's waits for a whole turn of the loop to answer that: under load longer than
    the command takes.
    """

    def can_read(self, timeout: float = 0) -> bool:
        untyped: Any = self
        is_read_out = timeout == 0 and untyped._sock is not None and untyped._reader
        if is_read_out and not untyped._reader.has_data() and is_quiet(untyped._sock):
            return False
        found: bool = super().can_read(timeout)
        return found


class _Pipeline(redis.client.Pipeline):
    """Names scripts by their digests at once: redis-py asks first whether Redis has them, a round trip each time.

    What a Redis refused that has started anew is sent once more, behind all else, with the scripts before it.
    """

    def load_scripts(self) -> None:
        """Ask nothing."""

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        stack, scripts = list(self.command_stack), list(self.scripts)
        replies: list[Any] = super().execute(raise_on_error=raise_on_error and not scripts)
        if not scripts:
            return replies
        untyped: Any = self
        refused = [place for place, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if refused:
            for each in scripts:
                untyped.execute_command("SCRIPT LOAD", each.script)
            for place in refused:
                arguments, options = stack[place]
                untyped.execute_command(*arguments, **options)
            again = super().execute(raise_on_error=False)[len(scripts) :]
            for place, reply in zip(refused, again, strict=True):
                replies[place] = reply
        if raise_on_error:
            untyped.raise_first_error(stack, replies)
        return replies


class _Client(redis.Redis):
    """Makes such pipelines, unless they are transactions."""

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Any:
        if transaction:
            return super().pipeline(transaction, shard_hint)
        return _Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class _SentinelConnection(SentinelManagedConnection):
    """Closed, like every other, when a reader is killed in mid-reply: the next one must not get the rest."""

    def read_response(self, *args: Any, **options: Any) -> Any:
        return super().read_response(*args, **(options | {"disconnect_on_error": True}))


class _SentinelPool(SentinelConnectionPool):
    """Waits for a free connection, as BlockingConnectionPool does."""

    def get_connection(self, *args: Any, **options: Any) -> Any:
        deadline = time.monotonic() + POOL_WAIT_S
        while True:
            try:
                return super().get_connection(*args, **options)
            except MaxConnectionsError:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(POOL_POLL_S)


def _sentinel_pool(address: RedisAddress, size: int, options: dict[str, Any]) -> redis.ConnectionPool:
    named = read_sentinel(address.url)
    if named.password:
        options |= {"username": named.username, "password": named.password}
    asking = {
        "socket_timeout": address.socket_timeout_s,
        "socket_connect_timeout": address.connect_timeout_s,
        # A sentinel that is gone is skipped at once: repeats would use up a sender's patience.
        "retry": Retry(NoBackoff(), 0),
    }
    make_pool: Any = _SentinelPool  # untyped in redis-py
    pool: redis.ConnectionPool = make_pool(
        named.service,
        Sentinel(named.hosts, sentinel_kwargs=asking),
        connection_class=_SentinelConnection,
        db=named.db,
        max_connections=size,
        **options,
    )
    return pool


__all__ = ["RedisAddress", "RedisConnectionError", "connect", "connection_pool", "is_quiet", "translated"]
