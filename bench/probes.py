"""Clients that are measured: each notes when it asked for something, and when the answer came.

A *mark* is what an answer is known by: `("shown", temp_id)` and the like. One loop serves all clients, in a process
that does nothing else, so that little time passes between a frame's arrival and its reading.
"""

from __future__ import annotations

import heapq
import json
import selectors
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field

from bench.socket_client import Reader, dial, frame

ANSWER_TIMEOUT_S = 10.0
Mark = tuple[Hashable, ...]


@dataclass(slots=True)
class Watch:
    """What is awaited and what came: milliseconds by operation."""

    took_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    told_at: dict[Mark, float] = field(default_factory=dict)  # who went online or offline, `time.monotonic`
    answers: dict[Mark, dict[str, object]] = field(default_factory=dict)
    _awaited: dict[Mark, tuple[str, float]] = field(default_factory=dict)

    def await_(self, operation: str, mark: Mark) -> None:
        """Begin to measure; called just before the sending."""
        self._awaited[mark] = operation, time.monotonic()

    def came(self, mark: Mark) -> None:
        """End it; a second coming is none."""
        now = time.monotonic()
        if mark[0] in ("online", "offline"):
            self.told_at.setdefault(mark, now)
        if (found := self._awaited.pop(mark, None)) is not None:
            self.took_ms[found[0]].append((now - found[1]) * 1000)

    @property
    def missing(self) -> list[tuple[str, Mark]]:
        """What did not come yet."""
        return [(operation, mark) for mark, (operation, _) in self._awaited.items()]


class Probe:
    """One measured connection."""

    def __init__(self, port: int, watch: Watch, user_id: str = "", token: str | None = None) -> None:
        self.user_id = user_id
        self.watch = watch
        self.sock = dial(port, token=token)
        self.sock.setblocking(False)
        self._reader = Reader(self.sock)

    def ask(self, event: str, data: dict[str, object], ack: str | None = None) -> None:
        """Send a frame."""
        self.sock.send(frame({"event": event, "data": data} | ({"ack": ack} if ack else {})))

    def read(self) -> None:
        """Note what came. Raises: RuntimeError, when anything was refused."""
        for payload in self._reader.receive():
            for mark in self._marks(payload):
                self.watch.came(mark)

    def _marks(self, payload: bytes) -> Iterator[Mark]:
        event = payload[10 : payload.index(b'"', 10)]  # behind {"event":"
        if event == b"new-chat-message":
            temp_id = _text(payload, b'"temp_id":"')
            yield "shown", self.user_id, temp_id
            if not temp_id.startswith(self.user_id + "-"):
                yield "shown elsewhere", temp_id
        elif event == b"message-confirmed":
            yield "confirmed", _text(payload, b'"tempId":"')
        elif event == b"chat-user-typing" and b'"isTyping":true' in payload:
            yield "typing", _text(payload, b'"userId":"')
        elif event == b"user-status":
            yield "online" if b'"isOnline":true' in payload else "offline", _text(payload, b'"userId":"')
        elif event == b"messages-seen":
            yield "seen", _text(payload, b'"userId":"'), _text(payload, b'"roomId":"')
        elif event == b"ack":
            told = json.loads(payload)["data"]
            if not told["ok"]:
                raise RuntimeError(f"refused: {told}")
            self.watch.answers["ack", told["ack"]] = told["result"]
            yield "ack", told["ack"]
        elif event in (b"error", b"message-failed", b"closing"):
            raise RuntimeError(f"refused: {payload[:300]!r}")


class Echo:
    """A connection to `/ws/echo`: what a round trip through the same sockets costs without a chat."""

    def __init__(self, port: int, watch: Watch) -> None:
        self.watch = watch
        self.sock = dial(port, "/ws/echo")
        self.sock.setblocking(False)
        self._reader = Reader(self.sock)
        self._numbers = iter(range(1 << 60))

    def send(self, operation: str) -> None:
        """Send a message as long as a chat's."""
        number = next(self._numbers)
        self.watch.await_(operation, ("echo", b'"%d%b"' % (number, b"." * 120)))
        self.sock.send(frame(f"{number}{'.' * 120}"))

    def read(self) -> None:
        """Note what came back."""
        for payload in self._reader.receive():
            self.watch.came(("echo", payload))


class Loop:
    """Does what is due, and reads whatever comes meanwhile."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._due: list[tuple[float, int, float, Callable[[], object]]] = []

    def watch(self, client: Probe | Echo) -> None:
        """Read a client from now on."""
        self._selector.register(client.sock, selectors.EVENT_READ, client)

    def leave(self, client: Probe | Echo) -> None:
        """Hang up."""
        self._selector.unregister(client.sock)
        client.sock.close()

    def every(self, seconds: float, act: Callable[[], object], *, after_s: float = 0.0) -> None:
        """Do something again and again, in every run from now on."""
        self._due.append((after_s, len(self._due), seconds, act))

    def run(self, seconds: float) -> None:
        """Do it for so long."""
        begun = time.monotonic()
        due = [(begun + after_s, number, every_s, act) for after_s, number, every_s, act in self._due]
        heapq.heapify(due)
        while (now := time.monotonic()) < begun + seconds:
            while due and due[0][0] <= now:
                at, number, every_s, act = due[0]
                heapq.heapreplace(due, (at + every_s, number, every_s, act))
                act()
                now = time.monotonic()
            self.turn(min(due[0][0] if due else begun + seconds, begun + seconds) - now)

    def until(self, is_done: Callable[[], object], timeout_s: float = ANSWER_TIMEOUT_S) -> bool:
        """Only read until something is true; return whether it came to be."""
        deadline = time.monotonic() + timeout_s
        while not is_done() and time.monotonic() < deadline:
            self.turn(0.05)
        return bool(is_done())

    def forget_due(self) -> None:
        """Do nothing regularly any more."""
        self._due.clear()

    def turn(self, timeout_s: float) -> None:
        """Read once."""
        for key, _ in self._selector.select(max(0.0, timeout_s)):
            key.data.read()


def _text(payload: bytes, name: bytes) -> str:
    begin = payload.index(name) + len(name)
    return payload[begin : payload.index(b'"', begin)].decode()
