"""What only SQLite does: its settings, and rules of the database."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from chat.errors import DocumentRefused
from chat.store.base import Exists, Insert, Kind, Missing, Raise, Refused, Unavailable, Write, Written
from chat.store.sqlite import SqliteStore
from chat.store.sqlite_file import open_connection
from tests.support.sqlite_file import execute, types


def forbid(path: Path, action: str, when: str = "BEFORE INSERT", condition: str = "new.key LIKE 'bad%'") -> None:
    execute(path, f"CREATE TRIGGER rule {when} ON message WHEN {condition} BEGIN SELECT {action}; END")


def test_commits_reach_the_disk_when_a_connection_is_open(path: Path) -> None:
    with closing(open_connection(path, (), 1)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_operator_can_query_the_bodies_when_they_are_json(store: SqliteStore, path: Path) -> None:
    store.insert(Kind.ROOM, "r", b'{"name":"gr\xc3\xbcn"}')
    assert execute(path, "SELECT key, json_extract(body, '$.name') FROM room") == [("r", "grün")]


@pytest.mark.parametrize("when", ["BEFORE INSERT", "AFTER INSERT"])
@pytest.mark.parametrize("action", ["RAISE(ABORT, 'not that one')", "RAISE(FAIL, 'not that one')"])
def test_neighbours_are_written_when_a_rule_refuses_some(
    store: SqliteStore, path: Path, when: str, action: str
) -> None:
    store.insert(Kind.MESSAGE, "old", b'{"n":0}')
    store.insert(Kind.ROOM, "room", b'{"last":0}')
    forbid(path, action, when)
    batch: list[Write] = [Insert(Kind.MESSAGE, f"m{n}", b"{}") for n in range(50)]
    batch[10] = Insert(Kind.MESSAGE, "bad1", b"{}")
    batch[49] = Insert(Kind.MESSAGE, "bad2", b"{}")
    batch += [Insert(Kind.MESSAGE, "old", b"{}"), Raise(Kind.ROOM, "room", "last", 50)]
    before = store.round_trips
    outcomes = store.write_many([*batch, Raise(Kind.ROOM, "none", "last", 1)])
    assert store.round_trips == before + 1
    assert outcomes[10] == outcomes[49] == Refused("not that one")
    assert outcomes[50] == Exists(b'{"n":0}')
    assert outcomes[52] == Missing()
    assert types([*outcomes[:10], *outcomes[11:49], outcomes[51]]) == [Written] * 49
    written = {write.key for write in batch if write.kind == Kind.MESSAGE} - {"bad1", "bad2"}
    assert {key for (key,) in execute(path, "SELECT key FROM message")} == written
    room = store.get(Kind.ROOM, "room")
    assert room is not None
    assert room.body == b'{"last":50}'


def test_write_is_refused_when_a_trigger_leaves_it_out(store: SqliteStore, path: Path) -> None:
    forbid(path, "RAISE(IGNORE)")
    store.insert(Kind.MESSAGE, "m", b"{}")
    batch = [Insert(Kind.MESSAGE, key, b"{}") for key in ("m", "bad", "n")]
    assert types(store.write_many(batch)) == [Exists, Refused, Written]


def test_nothing_counts_as_written_when_a_rule_rolls_all_back(store: SqliteStore, path: Path) -> None:
    forbid(path, "RAISE(ROLLBACK, 'away with all')")
    batch = [Insert(Kind.MESSAGE, key, b"{}") for key in ("m", "bad", "n")]
    assert types(store.write_many(batch)) == [Unavailable] * 3
    assert execute(path, "SELECT key FROM message") == []


def test_single_writes_are_refused_when_a_rule_says_so(store: SqliteStore, path: Path) -> None:
    cas = store.insert(Kind.MESSAGE, "m", b"{}")
    forbid(path, "RAISE(ABORT, 'frozen')", "BEFORE UPDATE", "true")
    with pytest.raises(DocumentRefused, match="frozen"):
        store.replace(Kind.MESSAGE, "m", b"{}", cas)
    with pytest.raises(DocumentRefused, match="frozen"):
        store.update_paths(Kind.MESSAGE, "m", sets={("a",): 1})
    assert store.write_many([Raise(Kind.MESSAGE, "m", "a", 1)]) == [Refused("frozen")]
    execute(path, "DROP TRIGGER rule")
    assert store.replace(Kind.MESSAGE, "m", b"{}", cas)
