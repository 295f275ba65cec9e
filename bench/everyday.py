"""`python -m bench.everyday`: what people wait for while 100 users send 10 messages a second each in rooms of 10.

The stack runs as `make run` starts it, limits off. Each window begins with the floor, round trips through
`/ws/echo` while nobody talks; then all talk, and 8 of the 100 are measured, beside others who only mark messages
as seen. In every other window the chat and its clients go before all else on the machine, where that is permitted,
and its processors are kept awake.
Of each kind all windows together are told: its percentiles are of every measurement of the run. Each window by
itself is in the file, with how much of the processors the host took meanwhile (`steal`).
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import psutil

from bench import priorities
from bench.clients import Crowd, Room
from bench.probes import Echo, Loop, Probe, Watch
from bench.talkers import CONTENT, Cast, Talkers, Visits
from bench.whole import WholeStack
from workers.parts import CHAT_TURNS

RESULTS = Path(__file__).parent / "results"
ROOMS, MEMBERS, PER_S = 10, 10, 10
MEASURED = 2  # of a room's members, so that one sees what the other does
MEASURED_ROOMS = 4  # of the rooms: more would have to queue for being read here, and be measured by that
BACKLOG = 10_000  # unread messages, marked as seen in one step
BACKLOGS_OF_MEASURED = 3  # rooms that the measured ones are in besides the one they talk in
READERS, WATCHERS = 80, 10  # of the rooms with the backlog; with the measured members they are nearly 100
VISITORS = 20
FLOOR_S, FLOOR_PAUSE_S, WARM_S = 3.0, 0.005, 3.0
ASK_S, TYPE_S, ECHO_S = (
    0.5,
    1.1,
    0.05,
)  # how often each measured one asks, types (told once a second at most), all echo
GRACE_S = 5.0  # PRESENCE_GRACE_S
BOUNDS_MS = {"send": 4.0, "presence": 3.0, "typing": 2.0, "unread": 3.0, "seen": 4.0, "seen elsewhere": 4.0}
HIT_RATE_BOUND = 0.99
Took = dict[str, list[float]]  # ms by operation
KINDS = ("as it comes", "the chat first")


@dataclass(frozen=True)
class People:
    """The measured ones, and those of whom they hear."""

    talking: list[tuple[Probe, str]]  # with its room
    mates: Mapping[str, list[str]]  # room -> members
    readers: list[Probe]
    backlogs: list[str]  # a room for each window


class Scene:
    """Everybody there is, and the windows in which they are measured."""

    def __init__(self, stack: WholeStack, windows: int, seconds: float) -> None:
        self._stack = stack
        self._seconds = seconds
        self._loop = Loop()
        self._watch = Watch()
        self._numbers = itertools.count()
        self._echo = Echo(stack.port, self._watch)
        self._loop.watch(self._echo)
        self._people = self._gather([f"backlog-{number}" for number in range(windows)])

    def cast(self) -> Cast:
        """Return who talks and visits in the other process."""
        talkers = [
            (self._stack.token(user_id), room)
            for number, (room, users) in enumerate(self._people.mates.items())
            for user_id in users[MEASURED if number < MEASURED_ROOMS else 0 :]
        ]
        visitors = [
            (f"visitor-{n}", self._stack.token(f"visitor-{n}"), f"talk-{n % MEASURED_ROOMS}")
            for n in range(VISITORS)
        ]
        return Cast(self._stack.port, talkers, visitors, PER_S)

    def window(self, number: int, talkers: Talkers) -> tuple[dict[str, Any], Took]:
        """Measure once; return what was found, and all measurements."""
        self._clear()
        self._loop.every(FLOOR_PAUSE_S, lambda: self._echo.send("idle echo"))
        self._loop.run(FLOOR_S)
        self._loop.forget_due()
        talkers.talk()
        self._loop.run(WARM_S)
        cache, cpu_s = self._stack.get("/stats")["cache"], self._stack.cpu_s()
        self._schedule(self._people.backlogs[number])
        begun, stolen = time.monotonic(), psutil.cpu_times().steal
        self._loop.run(self._seconds)
        took_s, stolen = time.monotonic() - begun, psutil.cpu_times().steal - stolen
        self._loop.forget_due()
        used_s = {name: used - cpu_s[name] for name, used in self._stack.cpu_s().items()}
        after = self._stack.get("/stats")["cache"]
        self._loop.until(lambda: not self._watch.missing)
        per_s, visits = talkers.pause()
        self._await_quiet(visits)
        took = self._took(visits)
        return {
            "rows": _rows(took),
            "unanswered": [str(each) for each in self._watch.missing],
            "steal_percent": round(stolen / took_s * 100, 2),
            "talkers_per_s": round(per_s),
            "cpu_percent": {name: round(used / took_s * 100, 1) for name, used in used_s.items()},
            "hit_rate": after["hitRate"],
            "hit_rate_under_load": _hit_rate(cache, after),
        }, took

    def _gather(self, backlogs: list[str]) -> People:
        mates = {f"talk-{n}": [f"user-{n}-{m}" for m in range(MEMBERS)] for n in range(ROOMS)}
        measured = list(mates.items())[:MEASURED_ROOMS]
        rooms = {user_id: room for room, users in measured for user_id in users[:MEASURED]}
        theirs = backlogs[:BACKLOGS_OF_MEASURED]
        talking = [(self._enter(user_id, [room, *theirs]), room) for user_id, room in rooms.items()]
        readers = [self._enter(f"reader-{n}", backlogs) for n in range(READERS)]
        for probe in [*(probe for probe, _ in talking), *readers]:  # they stay members
            self._ask(probe, "set-up", "leave-chat-rooms", {"roomIds": backlogs})
        for number in range(WATCHERS):
            self._enter(f"watcher-{number}", backlogs)
        self._settle("set-up")
        for n in range(VISITORS):  # members already, when they come
            self._loop.leave(self._enter(f"visitor-{n}", [f"talk-{n % MEASURED_ROOMS}"]))
        crowd = Crowd([Room(self._stack.port, room, 6) for room in backlogs], BACKLOG * len(backlogs), 200, 40)
        crowd.flood(timeout_s=180)
        crowd.settle(timeout_s=180)
        crowd.close()
        self._loop.run(GRACE_S + 2)
        return People(talking, mates, readers, backlogs)

    def _enter(self, user_id: str, rooms: list[str]) -> Probe:
        probe = Probe(self._stack.port, self._watch, user_id, self._stack.token(user_id))
        self._loop.watch(probe)
        self._ask(probe, "set-up", "join-chat-rooms", {"roomIds": rooms})
        self._settle("set-up")
        return probe

    def _schedule(self, backlog: str) -> None:
        """Have everything done regularly, nobody at the same time as another."""
        self._loop.every(ECHO_S, lambda: self._echo.send("echo under load"))
        for place, (probe, room) in enumerate(self._people.talking):
            acts = ((1 / PER_S, self._send), (ASK_S, self._look), (ASK_S, self._count), (TYPE_S, self._type))
            for shift, (every_s, act) in enumerate(acts):
                after_s = (place + shift / len(acts)) / len(self._people.talking) * every_s
                self._loop.every(every_s, lambda act=act, probe=probe, room=room: act(probe, room), after_s=after_s)  # type: ignore[misc]
        readers = iter(self._people.readers)
        self._loop.every(self._seconds / (READERS + 1), lambda: self._mark(next(readers, None), backlog))

    def _send(self, probe: Probe, room: str) -> None:
        temp_id = f"{probe.user_id}-{next(self._numbers)}"
        for operation, mark in (
            ("send", ("shown", probe.user_id, temp_id)),
            ("send, seen by another", ("shown elsewhere", temp_id)),
            ("send, confirmed", ("confirmed", temp_id)),
        ):
            self._watch.await_(operation, mark)
        probe.ask("send-chat-message", {"roomId": room, "content": CONTENT, "temp_id": temp_id})

    def _look(self, probe: Probe, room: str) -> None:
        others = [each for each in self._people.mates[room] if each != probe.user_id]
        self._ask(probe, "presence", "get-presence", {"userIds": others})

    def _count(self, probe: Probe, _room: str) -> None:
        self._ask(probe, "unread", "get-unread-counts", {})

    def _type(self, probe: Probe, room: str) -> None:
        self._watch.await_("typing", ("typing", probe.user_id))
        probe.ask("chat-typing", {"roomId": room, "isTyping": True})

    def _mark(self, reader: Probe | None, backlog: str) -> None:
        if reader is not None:
            self._watch.await_("seen elsewhere", ("seen", reader.user_id, backlog))
            self._ask(reader, "seen", "mark-messages-seen", {"roomId": backlog, "seq": BACKLOG})

    def _ask(self, probe: Probe, operation: str, event: str, data: dict[str, object]) -> None:
        ack = f"{operation}-{next(self._numbers)}"
        self._watch.await_(operation, ("ack", ack))
        probe.ask(event, data, ack)

    def _settle(self, operation: str) -> None:
        if not self._loop.until(lambda: not self._watch.missing):
            raise RuntimeError(f"{operation}: no answer to {self._watch.missing}")

    def _clear(self) -> None:
        self._watch.took_ms.clear()
        self._watch.answers.clear()
        self._watch.told_at.clear()

    def _await_quiet(self, visits: Visits) -> None:
        """Wait until everything is stored, and the last visitor is told to be gone."""
        everyone = [("offline", user_id) for user_id in visits.went]
        self._loop.until(lambda: all(each in self._watch.told_at for each in everyone), GRACE_S + 5)
        deadline = time.monotonic() + 60
        while self._stack.get("/stats")["outboxLength"] and time.monotonic() < deadline:
            self._loop.run(0.1)

    def _took(self, visits: Visits) -> Took:
        took = dict(self._watch.took_ms)
        told_at = self._watch.told_at
        took["comes online"] = [
            (told_at["online", user_id] - at) * 1000
            for user_id, at in visits.came.items()
            if ("online", user_id) in told_at
        ]
        took["goes offline, grace left out"] = [
            (told_at["offline", user_id] - at - GRACE_S) * 1000
            for user_id, at in visits.went.items()
            if ("offline", user_id) in told_at
        ]
        self._check_seen()
        return took

    def _check_seen(self) -> None:
        for name, told in self._watch.answers.items():
            if str(name[1]).startswith("seen-") and (told["read_seq"], told["unread"]) != (BACKLOG, 0):
                raise RuntimeError(f"not all {BACKLOG} were seen: {told}")


def _rows(took: Took) -> list[dict[str, Any]]:
    """Return a row for each operation, compared with the floor among them."""
    floor = _centiles(took["idle echo"])
    return [{"operation": name, **_row(name, _centiles(each), floor)} for name, each in took.items() if each]


def _together(windows: Sequence[tuple[dict[str, Any], Took]]) -> dict[str, Any]:
    """Return what several windows of a kind say as one."""
    told = [window for window, _ in windows]
    took: Took = defaultdict(list)
    for _, measured in windows:
        for name, each in measured.items():
            took[name] += each
    parts = told[0]["cpu_percent"]
    return {
        "kind": told[0]["kind"],
        "windows": len(told),
        "rows": _rows(took),
        "cpu_percent": {name: round(fmean(each["cpu_percent"][name] for each in told), 1) for name in parts},
        "hit_rate": min(each["hit_rate"] for each in told),
        "hit_rate_under_load": min(each["hit_rate_under_load"] for each in told),
        "steal_percent": max(each["steal_percent"] for each in told),
        "talkers_per_s": round(fmean(each["talkers_per_s"] for each in told)),
        "unanswered": [text for each in told for text in each["unanswered"]],
    }


def _centiles(took_ms: list[float]) -> dict[str, float]:
    ordered = sorted(took_ms)
    last = len(ordered) - 1
    return {"count": len(ordered)} | {f"p{p}": round(ordered[round(last * p / 100)], 3) for p in (50, 95, 99)}


def _row(name: str, row: dict[str, float], floor: dict[str, float]) -> dict[str, Any]:
    """Add what compares with the floor: p99 less the floor's median, which is the harder reading of "over"."""
    over = round(row["p99"] - floor["p50"], 3)
    told: dict[str, Any] = {"times_floor_p50": round(row["p50"] / floor["p50"], 1), "p99_over_floor": over}
    if name in BOUNDS_MS:
        told |= {"bound": BOUNDS_MS[name], "is_met": over <= BOUNDS_MS[name]}
    return row | told


def _hit_rate(before: Mapping[str, int], after: Mapping[str, int]) -> float:
    hits, misses = after["hits"] - before["hits"], after["misses"] - before["misses"]
    return round(hits / (hits + misses), 5) if hits + misses else 0.0


def _lines(kind: Mapping[str, Any]) -> Iterator[str]:
    names = ("count", "p50", "p95", "p99", "times_floor_p50", "p99_over_floor", "bound")
    yield f"{'ms, ' + kind['kind']:30}" + "".join(f"{name:>16}" for name in names)
    for row in kind["rows"]:
        missed = "" if row.get("is_met", True) else "  missed"
        yield f"{row['operation']:30}" + "".join(f"{row.get(name, '')!s:>16}" for name in names) + missed
    told = f"{kind['hit_rate']} in all, {kind['hit_rate_under_load']} under load, at the least"
    yield f"cache hit rate {told}, bound {HIT_RATE_BOUND}"
    yield f"CPU of one core, %: {kind['cpu_percent']}; talkers sent {kind['talkers_per_s']} a second"
    yield f"{kind['windows']} windows; the host took {kind['steal_percent']} % of a core at most"
    if kind["unanswered"]:
        yield f"without an answer: {kind['unanswered']}"


def _order(stack: WholeStack, talkers: Talkers, kind: str) -> bool:
    """Arrange who goes first; return whether that is permitted."""
    me, chat = psutil.Process(), stack.parts("web", "redis")
    if kind == KINDS[0]:
        priorities.put_back([me], priorities.MEASURED_SLICE_MS)
        priorities.put_back([talkers.process], priorities.LOAD_TURNS.slice_ms)
        priorities.put_back(chat, CHAT_TURNS.slice_ms)
        return True
    wanted = ((me, priorities.CLIENTS), (talkers.process, priorities.TALKERS))
    return priorities.put_first(chat, priorities.CHAT) and all(
        priorities.put_first([one], at) for one, at in wanted
    )


def main(arguments: list[str] | None = None) -> None:
    """Measure, print the table, keep the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.everyday", description=__doc__)
    parser.add_argument("--windows", type=int, default=3, help="of each kind")
    parser.add_argument("--seconds", type=float, default=15, help="of a window")
    parser.add_argument("--results", type=Path, default=RESULTS / "everyday.json", help="the file for the figures")
    options = parser.parse_args(arguments)
    windows: dict[str, list[tuple[dict[str, Any], Took]]] = {kind: [] for kind in KINDS}
    with WholeStack() as stack:
        scene = Scene(stack, options.windows * len(KINDS), options.seconds)
        with Talkers(scene.cast()) as talkers:
            for number, kind in enumerate(KINDS * options.windows):
                if _order(stack, talkers, kind):
                    with priorities.awake() if kind == KINDS[1] else nullcontext():
                        found, took = scene.window(number, talkers)
                        windows[kind].append(({"kind": kind} | found, took))
    kinds = [_together(each) for each in windows.values() if each]
    for kind_told in kinds:
        print("\n".join(_lines(kind_told)), end="\n\n")
    told = {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "kinds": kinds,
        "windows": [window for each in windows.values() for window, _ in each],
    }
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
