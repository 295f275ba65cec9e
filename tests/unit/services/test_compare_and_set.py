"""A change is decided on the newest state, whoever else changes it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from chat.errors import LimitReached, StoreUnavailable
from chat.services import compare_and_set
from chat.services.compare_and_set import change
from chat.store.base import Kind
from chat.store.sqlite import SqliteStore


@pytest.fixture
def store(tmp_path):
    store = SqliteStore(tmp_path / "chat.db")
    yield store
    store.close()


def one_more(body):
    return msgspec.json.encode({"n": msgspec.json.decode(body)["n"] + 1 if body else 1})


def test_no_change_is_lost_when_several_come_at_once(store):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: change(store, Kind.USER, "ann", one_more), range(40)))
    assert store.get(Kind.USER, "ann").body == b'{"n":40}'


def test_nothing_is_written_when_nothing_is_to_change_or_it_is_refused(store):
    change(store, Kind.USER, "ann", lambda _: None)

    def refuse(_):
        raise LimitReached("no")

    with pytest.raises(LimitReached):
        change(store, Kind.USER, "ann", refuse)
    assert store.get(Kind.USER, "ann") is None


def test_it_gives_up_when_rivals_never_end(store, monkeypatch):
    monkeypatch.setattr(compare_and_set, "WRITE_WITHIN_S", 0.05)

    def too_late(body):
        rival = one_more(body)
        found = store.get(Kind.USER, "ann")
        if found:
            store.replace(Kind.USER, "ann", rival, found.cas)
        else:
            store.insert(Kind.USER, "ann", rival)
        return b'{"n":-1}'

    with pytest.raises(StoreUnavailable):
        change(store, Kind.USER, "ann", too_late)
    assert b"-1" not in store.get(Kind.USER, "ann").body
