"""What a server process does with GroupCommit, as functions for `run_in_gevent`."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import gevent
from gevent.event import AsyncResult
from gevent.lock import BoundedSemaphore
from gevent.pool import Pool
from msgspec import Struct
from msgspec.structs import astuple

from chat.broker import group_commit
from chat.broker.base import Accepted, Cold, Draft, Duplicate
from chat.broker.client import RedisAddress, connect
from chat.broker.group_commit import GroupCommit
from chat.broker.log import RedisRoomLog
from tests.support.wait import eventually

ACCEPTED_MS = 1_700_000_000_000
NO_ANSWER_S = 30
SEND_EVERY_S = 0.02


def draft(room: str, temp_id: str, sender: str = "ann") -> Draft:
    """Return a small message."""
    return Draft(room, sender, temp_id, ACCEPTED_MS, "2023-11-14T22:13:30Z", b'"content":"hello"')


class Committing:
    """A started GroupCommit whose submits are waited for."""

    def __init__(self, url: str, *, outbox_limit: int = 10**9) -> None:
        self.url = url
        self.commit = GroupCommit(RedisAddress(url), outbox_limit=outbox_limit, log_length=1_000_000)
        self.commit.start()

    def begin(self, each: Draft) -> AsyncResult[Any]:
        """Submit; the outcome comes later."""
        result: AsyncResult[Any] = AsyncResult()
        self.commit.submit(each, result.set)
        return result

    def submit(self, each: Draft) -> Any:
        """Submit and wait for the outcome."""
        return self.begin(each).get(timeout=NO_ANSWER_S)

    def settle(self, each: Draft, *, timeout_s: float) -> tuple[Any, int]:
        """Submit as a client does, again and again; return the outcome and how often it was refused."""
        outcomes: list[Any] = []

        def is_settled() -> bool:
            outcomes.append(self.submit(each))
            if isinstance(outcomes[-1], Cold):
                with connect(RedisAddress(self.url), size=1) as client:
                    RedisRoomLog(client).warm(each.room_id, 0, [])
            return isinstance(outcomes[-1], Accepted | Duplicate)

        eventually(is_settled, timeout_s, 0.05)
        return outcomes[-1], len(outcomes) - 1


def named(outcome: Any) -> list[Any]:
    """Return an outcome as JSON: its type, then its fields."""
    fields = astuple(outcome) if isinstance(outcome, Struct) else ()
    return [type(outcome).__name__, *fields]


def submit_together(url: str, drafts: list[list[str]], outbox_limit: int = 10**9) -> dict[str, Any]:
    """Submit (room, temp id, sender) at once; return the outcomes and the round trips."""
    committing = Committing(url, outbox_limit=outbox_limit)
    results = [committing.begin(draft(*each)) for each in drafts]
    outcomes = [named(each.get(timeout=NO_ANSWER_S)) for each in results]
    committing.commit.stop()
    return {"outcomes": outcomes, "round_trips": committing.commit.round_trips}


def flood(url: str, room: str, sender: str, count: int, timeout_s: float = 20) -> dict[str, Any]:
    """Send `count` messages, up to 200 at a time, each until it is accepted; return what became of them."""
    committing = Committing(url)
    answers: list[list[Any]] = []
    refused = 0
    slots = BoundedSemaphore(200)

    def send(temp_id: str) -> None:
        nonlocal refused
        try:
            outcome, refusals = committing.settle(draft(room, temp_id, sender), timeout_s=timeout_s)
            answers.append([temp_id, *named(outcome)])
            refused += refusals
        finally:
            slots.release()

    pool = Pool()
    for n in range(count):
        slots.acquire()
        pool.spawn(send, f"{sender}-{n}")
    pool.join(raise_error=True)
    committing.commit.stop()
    return {"answers": answers, "refused": refused, "round_trips": committing.commit.round_trips}


def send_steadily(url: str, room: str, sender: str, seconds: float) -> dict[str, Any]:
    """Send a message every SEND_EVERY_S; return the answers and the longest time without an accepted one."""
    committing = Committing(url)
    answers, gap, last = [], 0.0, time.monotonic()
    pool = Pool()
    end, n = last + seconds, 0

    def send(temp_id: str) -> None:
        nonlocal gap, last
        outcome, _ = committing.settle(draft(room, temp_id, sender), timeout_s=15)
        gap, last = max(gap, time.monotonic() - last), time.monotonic()
        answers.append([temp_id, *named(outcome)])

    while time.monotonic() < end:
        pool.spawn(send, f"{sender}-{n}")
        n += 1
        gevent.sleep(SEND_EVERY_S)  # the pace is the test's
    pool.join(raise_error=True)
    committing.commit.stop()
    return {"answers": answers, "gap_s": gap}


def submit_while_frozen(url: str, pid: int, room: str) -> dict[str, Any]:
    """Freeze Redis, submit all the while, thaw it; return how long refusals and the healing took."""
    committing = Committing(url)
    committing.settle(draft(room, "before"), timeout_s=5)
    ticks = _Ticks()
    os.kill(pid, signal.SIGSTOP)
    waits, waiting = [], Pool()

    def one(temp_id: str) -> None:
        start = time.monotonic()
        outcome = named(committing.submit(draft(room, temp_id)))
        waits.append([outcome[0], time.monotonic() - start])

    try:
        for n in range(1000):  # several batches
            waiting.spawn(one, f"frozen-{n}")
        for n in range(14):
            waiting.spawn(one, f"later-{n}")
            gevent.sleep(0.25)  # spread over the time that it is frozen
        waiting.join()
    finally:
        os.kill(pid, signal.SIGCONT)
    thawed = time.monotonic()
    outcome, _ = committing.settle(draft(room, "after"), timeout_s=15)
    committing.commit.stop()
    healed_s = time.monotonic() - thawed
    return {"waits": waits, "after": named(outcome), "healed_s": healed_s, "gap_s": ticks.longest_gap_s}


def submit_one_by_one(url: str, room: str, temp_ids: list[str]) -> list[list[Any]]:
    """Submit each after the other's outcome; return each outcome with its wait in seconds in front."""
    committing, found = Committing(url), []
    for temp_id in temp_ids:
        start = time.monotonic()
        outcome = committing.submit(draft(room, temp_id))
        found.append([time.monotonic() - start, *named(outcome)])
    committing.commit.stop()
    return found


def submit_around_lost_scripts(url: str, room: str) -> list[list[Any]]:
    """Let Redis lose its scripts between two submits."""
    committing = Committing(url)
    outcomes = [named(committing.submit(draft(room, "t1")))]
    with connect(RedisAddress(url), size=1) as client:
        client.script_flush()
    outcomes.append(named(committing.submit(draft(room, "t2"))))
    committing.commit.stop()
    return outcomes


def overfill_queue(url: str, room: str, limit: int) -> list[list[Any]]:
    """Submit two more than the queue holds before the greenlet gets a turn."""
    group_commit.QUEUE_LIMIT = limit
    return list(submit_together(url, [[room, f"t{n}"] for n in range(limit + 2)])["outcomes"])


def stop_with_full_queue(url: str, room: str, count: int) -> dict[str, Any]:
    """Submit and stop at once, then submit once more; return all outcomes and the time stop took."""
    committing = Committing(url)
    results = [committing.begin(draft(room, f"t{n}")) for n in range(count)]
    start = time.monotonic()
    committing.commit.stop()
    took_s = time.monotonic() - start
    late = committing.begin(draft(room, "late"))
    outcomes = [named(each.get(timeout=0.1)) for each in [*results, late]]
    return {"outcomes": outcomes, "took_s": took_s}


def stop_while_frozen(url: str, pid: int, room: str, count: int) -> dict[str, Any]:
    """Stop while a batch is under way to a Redis that does not answer."""
    committing = Committing(url)
    committing.submit(draft(room, "before"))
    sent = committing.commit.round_trips
    os.kill(pid, signal.SIGSTOP)
    try:
        results = [committing.begin(draft(room, f"t{n}")) for n in range(count)]
        eventually(lambda: committing.commit.round_trips > sent)  # a batch is under way
        start = time.monotonic()
        committing.commit.stop(0.5)
        took_s = time.monotonic() - start
        return {"outcomes": [named(each.get(timeout=0.1)) for each in results], "took_s": took_s}
    finally:
        os.kill(pid, signal.SIGCONT)


def submit_beside_a_faulty_callback(url: str, room: str) -> list[Any]:
    """Let the first sender's callback raise; return the second one's outcome."""
    committing = Committing(url)

    def fail(outcome: Any) -> None:
        raise ValueError("a fault of one sender")

    committing.commit.submit(draft(room, "t1"), fail)
    outcome = committing.submit(draft(room, "t2"))
    committing.commit.stop()
    return named(outcome)


class _Ticks:
    """Notices when the event loop is blocked."""

    def __init__(self) -> None:
        self.longest_gap_s = 0.0
        gevent.spawn(self._run)

    def _run(self) -> None:
        last = time.monotonic()
        while True:
            gevent.sleep(0.01)  # how much longer it takes is what is measured
            now = time.monotonic()
            self.longest_gap_s, last = max(self.longest_gap_s, now - last), now
