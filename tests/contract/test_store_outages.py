"""What every document store says while it can't be reached, and keeps when a writer dies."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import closing

import pytest

from chat.errors import StoreUnavailable
from chat.store.base import Insert, Raise, Refused, Store, Unavailable, Write, Written
from tests.support.wait import eventually

from .conftest import Adapter
from .documents import MESSAGE, ROOM, fields
from .processes import DEADLINE_S, start


def answers(store: Store) -> bool:
    try:
        store.ping()
    except StoreUnavailable:
        return False
    return True


def test_every_write_says_unavailable_when_the_store_is_out(adapter: Adapter, store: Store) -> None:
    cas = store.insert(ROOM, "r", b'{"a":1}')
    store.insert(ROOM, "raised", b'{"a":1}')
    batch: list[Write] = [
        Insert(MESSAGE, "m", b"{}"),
        Raise(ROOM, "raised", "a", 9),
        Insert(ROOM, "bad", b"[]"),
    ]
    changes: dict[str, Callable[[Store], object]] = {
        "insert": lambda store: store.insert(ROOM, "new", b"{}"),
        "replace": lambda store: store.replace(ROOM, "r", b"{}", cas),
        "update_paths": lambda store: store.update_paths(ROOM, "r", sets={("a",): 2}),
        "delete": lambda store: store.delete(ROOM, "r"),
    }
    with closing(adapter.open_hasty()) as hasty:
        eventually(lambda: answers(hasty))  # its hurry is meant for the outage, not for connecting
        with adapter.outage():
            assert [type(outcome) for outcome in hasty.write_many(batch)] == [Unavailable] * 3
            for name, change in changes.items():
                with pytest.raises(StoreUnavailable, match=name) as caught:
                    change(hasty)
                assert caught.value.__cause__ is not None
        assert store.get(MESSAGE, "m") is None
        assert store.get(ROOM, "new") is None
        assert fields(store, ROOM, "r") == fields(store, ROOM, "raised") == {"a": 1}
        assert [type(outcome) for outcome in hasty.write_many(batch)] == [Written, Written, Refused]
        for change in changes.values():
            assert change(hasty)


def test_documents_are_there_when_the_writer_is_killed_after_the_call(adapter: Adapter, store: Store) -> None:
    for n in range(3):
        program = f"""
store.write_many([Insert(Kind.MESSAGE, f"m{n}.{{k}}", b"{{}}") for k in range(100)])
os.kill(os.getpid(), signal.SIGKILL)
"""
        child = start(adapter, program)
        child.communicate("go\n", timeout=DEADLINE_S)
        assert child.returncode == -signal.SIGKILL
        assert len(store.get_many(MESSAGE, [f"m{n}.{k}" for k in range(100)])) == 100


WRITE_ON_AND_ON = """
for n in range(10**9):
    store.write_many([Insert(Kind.MESSAGE, f"m{n}.{k}", b"{}") for k in range(20)])
    print(n, flush=True)
"""


def test_every_batch_told_is_there_when_the_writer_is_killed_in_mid_work(adapter: Adapter, store: Store) -> None:
    child = start(adapter, WRITE_ON_AND_ON)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("go\n")
    child.stdin.flush()
    told = [int(child.stdout.readline()) for _ in range(20)]
    child.kill()
    told += [int(line) for line in child.communicate(timeout=DEADLINE_S)[0].splitlines()]
    keys = [f"m{n}.{k}" for n in told for k in range(20)]
    assert set(store.get_many(MESSAGE, keys)) == set(keys)
    assert [type(outcome) for outcome in store.write_many([Insert(MESSAGE, "next", b"{}")])] == [Written]


def test_calls_are_an_outage_when_the_store_is_closed(adapter: Adapter) -> None:
    store = adapter.open()
    store.insert(ROOM, "r", b"{}")
    store.close()
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.get(ROOM, "r")
    with pytest.raises(StoreUnavailable, match="closed"):
        store.ping()
    assert [type(outcome) for outcome in store.write_many([Insert(ROOM, "s", b"{}")])] == [Unavailable]
