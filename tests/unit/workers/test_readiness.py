"""Watching /readyz: the addresses once it is 200, and what it says when it is not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.support.ports import free_port
from tests.support.wait import eventually
from workers.readiness import addresses, start_watching


class Answer(BaseHTTPRequestHandler):
    status = 503

    def do_GET(self) -> None:
        self.send_response(type(self).status)
        self.end_headers()
        self.wfile.write(b'{"redis":\n "away"}')

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[int]:
    Answer.status = 503
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running.server_port
        running.shutdown()


def test_what_readyz_says_is_told_once_and_readiness_later(server: int):
    said: list[str] = []
    leaving = start_watching("0.0.0.0", server, 5555, said.append, tell_after_s=0)
    eventually(lambda: said)
    assert said[0].endswith(': /readyz answers 503 {"redis": "away"}')
    Answer.status = 200
    eventually(lambda: "Ctrl-C stops all of it" in said)
    assert said[1].startswith("ready after")
    assert len([line for line in said if "not ready" in line]) == 1
    leaving.set()


def test_it_is_told_when_nobody_answers():
    said: list[str] = []
    leaving = start_watching("127.0.0.1", free_port(), 5555, said.append, tell_after_s=0)
    eventually(lambda: said)
    leaving.set()
    assert "/readyz answers nothing (" in said[0]


def test_an_ipv6_address_is_in_brackets():
    assert "http://[::1]:3000  ws://[::1]:3000/ws" in addresses("::1", 3000, 5555)
