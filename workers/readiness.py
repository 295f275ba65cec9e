"""Watching /readyz after the start, and telling the addresses once it is 200."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException

ASK_EVERY_S = 0.2
TELL_AFTER_S = 60.0
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # listening on all addresses: ask on loopback


def start_watching(
    host: str, port: int, flower_port: int, say: Callable[[str], None], tell_after_s: float = TELL_AFTER_S
) -> threading.Event:
    """Watch in the background until it is ready, or until the returned event is set."""
    leaving = threading.Event()
    watch = threading.Thread(
        target=_watch,
        args=(ANYWHERE.get(host, host), port, flower_port, say, tell_after_s, leaving),
        daemon=True,
    )
    watch.start()
    return leaving


def ask(host: str, port: int) -> tuple[int, str]:
    """Return the status and the body of /readyz; the status is 0 when nobody answers."""
    connection = HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        return response.status, response.read(500).decode(errors="replace")
    except (OSError, HTTPException) as fault:
        return 0, str(fault)
    finally:
        connection.close()


def addresses(host: str, port: int, flower_port: int) -> str:
    """Return where to find everything, one row each."""
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    rows = [
        ("chat", f"http://{place}  ws://{place}/ws"),
        ("Flower", f"http://127.0.0.1:{flower_port}"),
        ("ready", f"http://{place}/readyz"),
        ("stats", f"http://{place}/stats"),
    ]
    return "\n".join(f"  {name:<7} {address}" for name, address in rows)


def _watch(
    host: str,
    port: int,
    flower_port: int,
    say: Callable[[str], None],
    tell_after_s: float,
    leaving: threading.Event,
) -> None:
    started = time.monotonic()
    has_told = False
    while not leaving.wait(ASK_EVERY_S):
        status, body = ask(host, port)
        after_s = time.monotonic() - started
        if status == 200 and not leaving.is_set():
            for line in f"ready after {after_s:.1f} s\n{addresses(host, port, flower_port)}".split("\n"):
                say(line)
            say("Ctrl-C stops all of it")
            return
        if after_s >= tell_after_s and not has_told:
            has_told = True
            say(f"not ready after {after_s:.0f} s: /readyz answers {_said(status, body)}")


def _said(status: int, body: str) -> str:
    return f"{status} {' '.join(body.split())}" if status else f"nothing ({body})"
