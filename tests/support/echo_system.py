"""The real app in dev mode on a Valkey of its own: what the tests of `/ws/echo` and the fuzzer talk to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.chat_system import LoneServer
from tests.support.valkey import ValkeyProcess


@contextmanager
def echo_system(**settings: str) -> Iterator[LoneServer]:
    """Yield a ready server; `settings` are environment variables."""
    with ValkeyProcess() as valkey, LoneServer(valkey.url, {"AUTH_MODE": "dev", **settings}) as server:
        yield server


def echo_url(server: LoneServer) -> str:
    """Return where it echoes."""
    return f"{server.ws_url}/echo"


def port_of(server: LoneServer) -> int:
    """Return its port."""
    return int(server.settings["PORT"])
