"""What a stand-in for a push provider was asked, what it answers, and what the devices behind it show."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

FOR_EVER_S = 3600.0


@dataclass(frozen=True)
class Answer:
    """What to answer in place of what the real one would.

    A body that is a dict goes as JSON. After `hang_s` without a word the connection is closed; `closes` does that
    at once. `takes`: whether the notice counts as taken all the same (a lost answer); None: with a 2xx status.
    """

    status: int = 200
    body: bytes | dict[str, Any] = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    hang_s: float = 0
    closes: bool = False
    takes: bool | None = None

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()

    @property
    def is_taken(self) -> bool:
        """Whether a notice that is answered so arrived."""
        is_silent = self.closes or self.hang_s > 0
        return self.takes if self.takes is not None else not is_silent and 200 <= self.status < 300


HANG = Answer(hang_s=FOR_EVER_S)
CLOSE = Answer(closes=True)
LOST_ANSWER = Answer(closes=True, takes=True)


def redirect(to: str, status: int = 307) -> Answer:
    """Return an answer that sends the asker elsewhere."""
    return Answer(status, headers={"Location": to})


@dataclass(frozen=True)
class Seen:
    """One request; `address` is the device that it names, as it was registered."""

    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    address: str = ""
    at: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Taken:
    """One notice that a provider took on: `notice` is what the device reads, with the same names everywhere."""

    address: str
    collapse: str
    notice: dict[str, Any]  # kind, roomId, messageId, seq, unread, title, body
    seen: Seen


class Script:
    """The requests so far, the answers to come and the devices' screens; for any number of threads."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.taken: list[Taken] = []
        self.screens: dict[str, dict[str, dict[str, Any]]] = {}  # device -> collapse key -> what it shows
        self.decide: Callable[[Seen], Answer | None] = lambda seen: None  # None: as the real one would
        self._next: deque[Answer] = deque()
        self._lock = threading.Lock()

    def answer_next(self, *answers: Answer) -> None:
        """Give these to the next requests, one each."""
        self._next.extend(answers)

    def answer_all(self, answer: Answer | None) -> None:
        """Give this one to all requests from now on; None: as the real one would."""
        self._next.clear()
        self.decide = lambda seen: answer

    def ask(self, seen: Seen) -> Answer | None:
        """Keep a request and return what it is to be answered, None: as the real one would."""
        with self._lock:
            self.seen.append(seen)
            if self._next:
                return self._next.popleft()
        return self.decide(seen)

    def take(self, taken: Taken) -> None:
        """Let the device show a notice in place of the one before, or take it away."""
        with self._lock:
            self.taken.append(taken)
            screen = self.screens.setdefault(taken.address, {})
            if taken.notice["kind"] == "clear":
                screen.pop(taken.collapse, None)
            else:
                screen[taken.collapse] = taken.notice

    def taken_by(self, address: str) -> list[Taken]:
        """Return what came for one device."""
        with self._lock:
            return [taken for taken in self.taken if taken.address == address]

    def reset(self) -> None:
        """Forget all of it."""
        with self._lock:
            self.seen, self.taken, self.screens = [], [], {}
            self._next.clear()
        self.decide = lambda seen: None
