"""`python -m bench.store`: what a batch saves against one call for each document, on the same stores in one run.

Documents are messages as a drain writes them. SQLite is a file with synchronous=FULL; Couchbase is CouchbaseMock,
which speaks the real protocol to the real SDK: CPU time is the adapter's and the SDK's own, seconds are the mock's
too. Rounds of all ways take turns, so that what else the machine does meets each alike.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from chat.model.events import document
from chat.model.ids import message_id
from chat.model.message import message_key
from chat.services.drafting import Drafting, Outgoing
from chat.store.base import Insert, Kind, Store, Written
from chat.store.url import open_store
from config.durability import StoreDurability
from tests.support.couchbase_jar import JarMissing
from tests.support.couchbase_mock import CouchbaseMock

RESULTS = Path(__file__).parent / "results"
BATCHES = (1, 10, 100, 500)  # documents of one write
PAGES = (1, 50)  # documents of one read
LEAST_CALLS = 2  # of a round; percentiles need them
MESSAGE = Outgoing("team-lunch", "Shall we meet at noon, by the fountain?", "0b6f3c1e-8a52-4c1d-9a57-1c2f6f0f3a10")


@dataclass(frozen=True, slots=True)
class Way:
    """One kind of call: a write or a read of so many documents."""

    verb: str
    size: int


@dataclass(slots=True)
class Figures:
    """What the rounds of one way on one store took."""

    calls_s: list[float] = field(default_factory=list)
    per_s: list[float] = field(default_factory=list)  # documents, a round each
    cpu_us: list[float] = field(default_factory=list)  # of this process for a document, a round each

    def row(self) -> dict[str, float]:
        """Return the median round, and the calls of all rounds."""
        centiles = statistics.quantiles(self.calls_s, n=100)
        return {
            "documents_per_s": round(statistics.median(self.per_s)),
            "cpu_us_per_document": round(statistics.median(self.cpu_us), 1),
            "call_p50_ms": round(centiles[49] * 1000, 2),
            "call_p99_ms": round(centiles[98] * 1000, 2),
        }


class Room:
    """A room whose messages are written once, and read as often as one likes."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._seq = 0
        self._members = (
            Drafting(content_limit_bytes=1000, give_up_s=300).draft(MESSAGE, "guest-4f1b2c3d", "Guest").members
        )

    def write(self, size: int) -> Callable[[], None]:
        """Return the call that stores the next `size` messages."""
        seqs = range(self._seq + 1, self._seq + size + 1)
        self._seq += size
        writes = [Insert(Kind.MESSAGE, message_key(self._name, seq), self._body(seq)) for seq in seqs]

        def call() -> None:
            if not all(isinstance(each, Written) for each in self._store.write_many(writes)):
                raise RuntimeError("a message was not stored")

        return call

    def read(self, size: int) -> Callable[[], None]:
        """Return the call that reads the newest `size` messages."""
        keys = [message_key(self._name, seq) for seq in range(self._seq - size + 1, self._seq + 1)]

        def call() -> None:
            if len(self._store.get_many(Kind.MESSAGE, keys)) != size:
                raise RuntimeError("a message is missing")

        return call

    def _body(self, seq: int) -> bytes:
        return document(message_id(self._name, seq, "k3v9x2ab"), seq, self._members)


def measure(stores: Mapping[str, Store], documents: int, repeat: int) -> list[dict[str, float | str]]:
    """Return a row for each way on each store, with what it saves against one call for each document."""
    ways = [Way("write", size) for size in BATCHES] + [Way("read", size) for size in PAGES]
    rooms = {name: Room(store, f"bench-{time.time_ns():x}") for name, store in stores.items()}
    figures = {(name, way): Figures() for name in stores for way in ways}
    for room in rooms.values():
        room.write(1)()  # whatever the first call takes longer
    for _ in range(repeat):
        for (name, way), each in figures.items():
            _run(rooms[name], way, documents, each)
    rows = {of: each.row() for of, each in figures.items()}
    return [
        {"store": name, "call": f"{way.verb} {way.size}", **row, **_saving(row, rows[name, Way(way.verb, 1)])}
        for (name, way), row in rows.items()
    ]


def _run(room: Room, way: Way, documents: int, figures: Figures) -> None:
    prepare = room.write if way.verb == "write" else room.read
    calls = [prepare(way.size) for _ in range(max(LEAST_CALLS, documents // way.size))]
    cpu_s, begun = _cpu_s(), time.perf_counter()
    for call in calls:
        before = time.perf_counter()
        call()
        figures.calls_s.append(time.perf_counter() - before)
    took_s, used_s = time.perf_counter() - begun, _cpu_s() - cpu_s
    figures.per_s.append(len(calls) * way.size / took_s)
    figures.cpu_us.append(used_s / (len(calls) * way.size) * 1e6)


def _saving(row: Mapping[str, float], alone: Mapping[str, float]) -> dict[str, float]:
    return {
        "times_as_fast": round(row["documents_per_s"] / alone["documents_per_s"], 2),
        "times_less_cpu": round(alone["cpu_us_per_document"] / row["cpu_us_per_document"], 2),
    }


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _stores(closer: ExitStack) -> Iterator[tuple[str, Store]]:
    folder = closer.enter_context(tempfile.TemporaryDirectory(prefix="chat-bench-"))
    yield "SQLite", closer.enter_context(closing(open_store(f"sqlite:///{folder}/chat.db")))
    try:
        mock = closer.enter_context(CouchbaseMock())
    except JarMissing as missing:
        print(f"without Couchbase: {missing}")
        return
    # The mock lacks synchronous durability: with AUTO each write is followed by polls for its copy.
    for name, durability in (("mock, no copies", StoreDurability.NONE), ("mock, polled", StoreDurability.AUTO)):
        yield name, closer.enter_context(closing(open_store(mock.url, durability)))


def main(arguments: list[str] | None = None) -> None:
    """Measure, print the table, keep the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.store", description=__doc__)
    parser.add_argument("--repeat", type=int, default=5, help="rounds of each way; the median is told")
    parser.add_argument("--documents", type=int, default=1000, help="documents of a round")
    parser.add_argument("--results", type=Path, default=RESULTS / "store.json", help="the file for the figures")
    options = parser.parse_args(arguments)
    with ExitStack() as closer:
        stores = dict(_stores(closer))
        for store in stores.values():
            store.ping()
        rows = measure(stores, options.documents, options.repeat)
    print("".join(f"{name:>21}" for name in rows[0]))
    for row in rows:
        print("".join(f"{value!s:>21}" for value in row.values()))
    told = {"machine": platform.machine(), "python": platform.python_version(), "rows": rows}
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
