"""What every document store does when many write at once: nothing is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from chat.store.base import Kind, Store

from .conftest import Adapter
from .documents import MESSAGE, ROOM, body, fields
from .processes import PROCESSES, in_processes

ADD_PARTS = """
for n in range(20):
    store.update_paths(Kind.MEMBERS, "one", sets={("m", f"{me}.{n}"): n}, removes=[("old", f"{me}.{n}")])
"""
COUNT_UP = """
done = 0
while done < 20:
    document = store.get(Kind.ROOM, "one")
    try:
        store.replace(Kind.ROOM, "one", b'{"n":%d}' % (json.loads(document.body)["n"] + 1), document.cas)
        done += 1
    except CasMismatch:
        pass
"""
RAISE_UP = """
for n in range(20):
    store.write_many([Raise(Kind.ROOM, "one", "n", n * 8 + int(me))])
"""
INSERT_SAME = """
for n in range(40):
    [outcome] = store.write_many([Insert(Kind.MESSAGE, f"m{n}", json.dumps({"by": me}).encode())])
    result.append(type(outcome).__name__)
"""


def test_no_part_is_lost_when_processes_update_one_document(adapter: Adapter, store: Store) -> None:
    parts = {f"{me}.{n}": n for me in range(PROCESSES) for n in range(20)}
    store.insert(Kind.MEMBERS, "one", body(old=parts, kept=1))
    in_processes(adapter, ADD_PARTS)
    assert fields(store, Kind.MEMBERS, "one") == {"old": {}, "kept": 1, "m": parts}


def test_no_part_is_lost_when_threads_update_one_document(store: Store) -> None:
    store.insert(ROOM, "one", b"{}")
    before = store.round_trips

    def add(n: int) -> None:
        store.update_paths(ROOM, "one", sets={("m", f"{n}"): n})

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add, range(200)))
    assert fields(store, ROOM, "one") == {"m": {f"{n}": n for n in range(200)}}
    assert store.round_trips == before + 201


def test_counter_is_exact_when_processes_compare_and_set(adapter: Adapter, store: Store) -> None:
    store.insert(ROOM, "one", b'{"n":0}')
    in_processes(adapter, COUNT_UP)
    assert fields(store, ROOM, "one") == {"n": PROCESSES * 20}


def test_field_ends_at_the_highest_when_processes_raise_it(adapter: Adapter, store: Store) -> None:
    store.insert(ROOM, "one", b'{"n":0}')
    in_processes(adapter, RAISE_UP)
    assert fields(store, ROOM, "one") == {"n": 19 * 8 + PROCESSES - 1}


def test_one_insert_wins_when_processes_write_the_same_key(adapter: Adapter, store: Store) -> None:
    results = in_processes(adapter, INSERT_SAME)
    for n, outcomes in enumerate(zip(*results, strict=True)):
        assert sorted(outcomes) == ["Exists"] * (PROCESSES - 1) + ["Written"]
        assert fields(store, MESSAGE, f"m{n}") == {"by": str(outcomes.index("Written"))}
