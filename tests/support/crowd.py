"""People who talk in one room while something is broken, and what became of every word."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from tests.support.chat_client import ChatClient
from tests.support.chat_system import ChatServer, paced

ROUND_S = 0.1
SHOWN_WITHIN_S = 5.0  # else people would say that the chat hangs


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many messages broke which promise: all numbers are 0 where all is well."""

    lost: int = 0  # confirmed or shown to somebody, and not in the store
    duplicated: int = 0  # stored, shown to somebody or confirmed twice
    reordered: int = 0  # shown out of order or behind a gap, or stored in another order than they were sent
    unconfirmed: int = 0  # sent, and the sender or a listener was never told that it is durable
    phantom: int = 0  # stored and not sent, or not as it was sent
    taken_back: int = 0  # failed or retracted, or answered by an error

    @property
    def is_clean(self) -> bool:
        """Whether no promise was broken."""
        return not any(asdict(self).values())


class Crowd:
    """`talkers` send, `listeners` only hear; all are in the room from the beginning."""

    def __init__(self, system: ChatServer, room: str, talkers: int = 4, listeners: int = 2) -> None:
        self.room = room
        self.talkers = [system.client() for _ in range(talkers)]
        self.listeners = [system.client() for _ in range(listeners)]
        self.slowest_s = 0.0  # from sending a round until the last one saw all of it
        for each in self.everybody:
            each.join(room)

    @property
    def everybody(self) -> list[ChatClient]:
        """All of them."""
        return [*self.talkers, *self.listeners]

    @property
    def sent(self) -> int:
        """How many messages were sent so far."""
        return sum(len(each.sent) for each in self.talkers)

    @property
    def confirmed(self) -> int:
        """How many of them their senders know to be durable."""
        return sum(len(each.confirmed()) for each in self.talkers)

    def talk(self, seconds: float, each: int = 2, at: Mapping[float, Callable[[], object]] | None = None) -> None:
        """Send `each` messages a talker and round for so long; everybody must see each round soon.

        `at` is what to do meanwhile, by the second: it does not make anybody wait.
        """
        with ExitStack() as ending:
            for after_s, act in (at or {}).items():
                timer = threading.Timer(after_s, act)
                timer.start()
                ending.callback(timer.join)
            for _ in paced(round(seconds / ROUND_S), ROUND_S):
                self.say_round(each)

    def say_round(self, each: int) -> None:
        """Send one round and wait until everybody saw it."""
        start = time.monotonic()
        for talker in self.talkers:
            talker.shout_many(self.room, each)
        self._await_shown(self.sent, SHOWN_WITHIN_S)
        self.slowest_s = max(self.slowest_s, time.monotonic() - start)

    def await_settled(self, timeout_s: float) -> float:
        """Wait until everything that was sent is confirmed to everybody; return how long that took."""
        start = time.monotonic()
        for talker in self.talkers:
            talker.until(lambda t=talker: len(t.of("message-confirmed")) >= len(t.sent), _left(start, timeout_s))  # type: ignore[misc]
        for listener in self.listeners:
            listener.until(lambda x=listener: len(x.confirmed_seqs()) >= self.sent, _left(start, timeout_s))  # type: ignore[misc]
        return time.monotonic() - start

    def verdict(self, stored: list[dict[str, Any]], first_seq: int = 1) -> Verdict:
        """Compare what everybody sent and was told with what the store has (from `first_seq` on)."""
        sent = {(t.user_id, temp_id): f"message {n}" for t in self.talkers for n, temp_id in enumerate(t.sent)}
        named = [(doc["sender_id"], doc["temp_id"]) for doc in stored]
        seqs = [doc["seq"] for doc in stored]
        shown = [each.seqs(self.room) for each in self.everybody]
        told = [each.confirmed() for each in self.talkers] + [each.confirmed_seqs() for each in self.listeners]
        expected = list(range(first_seq, first_seq + len(sent)))
        return Verdict(
            lost=len(sent.keys() - set(named)) + len(set().union(*shown) - set(seqs)),
            duplicated=_repeated(named) + _repeated(seqs) + sum(map(_repeated, shown)) + sum(map(_more, told)),
            reordered=sum(each != expected for each in shown) + self._stored_out_of_turn(named),
            unconfirmed=sum(len(set(t.sent) - set(t.confirmed())) for t in self.talkers)
            + sum(len(set(expected) - set(x.confirmed_seqs())) for x in self.listeners),
            phantom=sum(sent.get(name) != doc["content"] for name, doc in zip(named, stored, strict=True)),
            taken_back=sum(
                len(each.of(event))
                for each in self.everybody
                for event in ("message-failed", "message-retracted", "error")
            ),
        )

    def _stored_out_of_turn(self, named: list[tuple[str, str]]) -> int:
        """Count the talkers whose messages are numbered in another order than they sent them."""
        return sum([t for who, t in named if who == talker.user_id] != talker.sent for talker in self.talkers)

    def _await_shown(self, total: int, timeout_s: float) -> None:
        start = time.monotonic()
        for each in self.everybody:
            each.until(lambda each=each: len(each.of("new-chat-message")) >= total, _left(start, timeout_s))  # type: ignore[misc]


def _left(start: float, timeout_s: float) -> float:
    return max(start + timeout_s - time.monotonic(), 0.1)


def _repeated(values: list[Any]) -> int:
    return len(values) - len(set(values))


def _more(told: Counter[Any]) -> int:
    return sum(count - 1 for count in told.values())
