"""`python -m bench.talkers`: people who talk while others are measured, in a process of their own.

Each begins at a moment of its own, as people do who know nothing of each other. What they hear is thrown away in
the kernel, ten times a second and client, so that listening costs the machine next to nothing. Orders come as lines
of JSON: first who there is (`Cast`), then `true` to talk, `false` to pause; each is answered by a line when it is
obeyed. Some come and go meanwhile: the answer to `false` tells when.
"""

from __future__ import annotations

import itertools
import json
import random
import select
import signal
import socket
import sys
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from subprocess import PIPE, Popen
from typing import Any

import psutil

from bench.clients import RECEIVE_BYTES
from bench.priorities import give_way
from bench.socket_client import dial, frame, join
from workers.lifeline import tied_to_me

TICK_S = 0.001  # how late a message may be
TICKS_A_ROUND = 100  # a socket is emptied once a round
SEED = 20  # the same moments in every run
VISIT_EVERY_S, VISIT_S = 1.0, 2.0
CONTENT = "Shall we meet at noon, by the fountain?"
NOWHERE = bytearray(RECEIVE_BYTES)


@dataclass(frozen=True)
class Cast:
    """Who there is: (token, room) of each talker, and of each visitor with the user's id before."""

    port: int
    talkers: list[tuple[str, str]]
    visitors: list[tuple[str, str, str]]
    per_s: float  # messages of each talker


@dataclass(slots=True)
class _Talker:
    sock: socket.socket
    head: bytes  # a whole message but its number and end
    due_at: float


@dataclass(slots=True)
class Visits:
    """When visitors came and went (`time.monotonic`), by user."""

    came: dict[str, float] = field(default_factory=dict)
    went: dict[str, float] = field(default_factory=dict)


class Talking:
    """All of them."""

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self._every_s = 1 / cast.per_s
        self._talkers = [self._enter(number, *each) for number, each in enumerate(cast.talkers)]
        self._turns: deque[_Talker] = deque()  # whose turn it is to talk, soonest first
        self._numbers = itertools.count(10_000_000)  # all of the same length
        self._waiting = list(cast.visitors)
        self._there: list[tuple[float, str, socket.socket]] = []
        self.sent = 0

    def talk(self) -> Visits:
        """Talk until an order comes."""
        visits, begun = Visits(), time.monotonic()
        moments = random.Random(SEED)
        for each in self._talkers:
            each.due_at = begun + moments.random() * self._every_s
        self._turns = deque(sorted(self._talkers, key=lambda each: each.due_at))
        visit_at = begun + VISIT_EVERY_S
        for tick in itertools.count():
            self._send(time.monotonic())
            self._empty(tick % TICKS_A_ROUND)
            if time.monotonic() > visit_at and self._waiting:
                self._come(visits)
                visit_at += VISIT_EVERY_S
            self._go(visits, time.monotonic())
            if select.select([sys.stdin], [], [], max(0, begun + (tick + 1) * TICK_S - time.monotonic()))[0]:
                break
        self._go(visits, float("inf"))
        self._waiting = list(self._cast.visitors)
        return visits

    def pause(self) -> None:
        """Only listen until an order comes."""
        for tick in itertools.count():
            self._empty(tick % TICKS_A_ROUND)
            if select.select([sys.stdin], [], [], TICK_S)[0]:
                break

    def _enter(self, number: int, token: str, room: str) -> _Talker:
        sock = dial(self._cast.port, token=token)
        join(sock, room)
        sock.setblocking(False)
        temp_id = f"t{number:03}-"
        data = {"roomId": room, "content": CONTENT, "temp_id": f"{temp_id}10000000"}
        whole = frame({"event": "send-chat-message", "data": data})
        return _Talker(sock, whole[: whole.index(temp_id.encode()) + len(temp_id)], 0.0)

    def _send(self, now: float) -> None:
        while self._turns[0].due_at <= now:
            each = self._turns[0]
            each.sock.send(b'%b%d"}}' % (each.head, next(self._numbers)))
            each.due_at += self._every_s
            self._turns.rotate(-1)
            self.sent += 1

    def _empty(self, part: int) -> None:
        for each in self._talkers[part::TICKS_A_ROUND]:
            try:
                while each.sock.recv_into(NOWHERE, RECEIVE_BYTES, socket.MSG_TRUNC) == RECEIVE_BYTES:
                    pass
            except BlockingIOError:
                continue

    def _come(self, visits: Visits) -> None:
        user_id, token, room = self._waiting.pop()
        visits.came[user_id] = time.monotonic()
        sock = dial(self._cast.port, token=token)
        sock.sendall(frame({"event": "join-chat-rooms", "data": {"roomIds": [room]}}))
        self._there.append((time.monotonic() + VISIT_S, user_id, sock))

    def _go(self, visits: Visits, now: float) -> None:
        while self._there and self._there[0][0] <= now:
            _, user_id, sock = self._there.pop(0)
            visits.went[user_id] = time.monotonic()
            sock.close()


class Talkers:
    """The process, from outside."""

    def __init__(self, cast: Cast) -> None:
        command = [sys.executable, "-m", "bench.talkers"]
        self._process = Popen(
            command,
            stdin=PIPE,
            stdout=PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=tied_to_me(signal.SIGKILL),
        )
        self._ask(asdict(cast))

    def __enter__(self) -> Talkers:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    @property
    def process(self) -> psutil.Process:
        """The process."""
        return psutil.Process(self._process.pid)

    def talk(self) -> None:
        """Let them talk."""
        self._ask(True)

    def pause(self) -> tuple[float, Visits]:
        """Stop them; return how many messages a second they sent, and who came and went."""
        answer = self._ask(False)
        return answer["per_s"], Visits(answer["came"], answer["went"])

    def _ask(self, order: object) -> Any:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the talkers have no pipe")
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the talkers are gone")
        return json.loads(line)


def main() -> None:
    """Obey."""
    give_way()
    talking = Talking(Cast(**json.loads(sys.stdin.readline())))
    print("null", flush=True)
    while True:
        talking.pause()
        if not sys.stdin.readline():
            return
        print("null", flush=True)
        before, begun = talking.sent, time.monotonic()
        visits = talking.talk()
        per_s = (talking.sent - before) / (time.monotonic() - begun)
        if not sys.stdin.readline():
            return
        print(json.dumps({"per_s": per_s, **asdict(visits)}), flush=True)


if __name__ == "__main__":
    main()
