"""`STORE_URL` picks the adapter, or stops the start with one clear line."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from chat.store.base import Kind
from chat.store.couchbase.adapter import CouchbaseStore
from chat.store.sqlite import SqliteStore
from chat.store.url import open_store
from config.durability import StoreDurability


def test_file_is_made_under_the_working_folder_when_the_path_is_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(open_store("sqlite:///var/deep/chat.db")) as store:
        assert isinstance(store, SqliteStore)
        monkeypatch.chdir("/")
        store.insert(Kind.ROOM, "r", b"{}")
    assert (tmp_path / "var" / "deep" / "chat.db").is_file()


def test_file_is_made_where_it_says_when_the_path_is_absolute(tmp_path: Path) -> None:
    path = tmp_path / "a folder" / "100%.db"
    with closing(open_store(f"sqlite:///{path}")) as store:
        store.insert(Kind.ROOM, "r", b"{}")
    assert path.is_file()


def test_nothing_is_made_when_no_call_came_yet(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path}/var/chat.db").close()
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_has_its_own_adapter_and_connects_to_nothing_yet() -> None:
    with closing(open_store("couchbase://user:secret@db.invalid/chat", StoreDurability.NONE)) as store:
        assert isinstance(store, CouchbaseStore)


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("", "no scheme"),
        ("var/chat.db", "no scheme"),
        ("sqlite:/var/chat.db", "no scheme"),
        ("postgres://localhost/chat", "no scheme"),
        ("couchbase://user:secret@db.example", "no bucket"),
        ("sqlite://var/chat.db", "no file"),
        ("sqlite://", "no file"),
        ("sqlite:///", "no file"),
        ("sqlite:///var/", "no file"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///var/chat.db?mode=ro", "options"),
    ],
)
def test_address_is_refused_in_one_line_when_no_adapter_fits(url: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as caught:
        open_store(url)
    line = str(caught.value)
    assert line.startswith("STORE_URL ")
    assert "couchbase://USER:PASSWORD@HOST" in line
    assert "\n" not in line
    assert "secret" not in line
