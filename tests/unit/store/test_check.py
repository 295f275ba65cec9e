"""A check of an SQLite file makes nothing, and tells what is wrong (integration/store has clusters)."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from chat.store.base import Kind
from chat.store.check import check_store
from chat.store.findings import Finding
from chat.store.sqlite import SqliteStore
from config.durability import StoreDurability
from config.settings import StoreSettings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "chat.db"


def found(file: Path) -> Finding:
    [finding] = check_store(StoreSettings(f"sqlite:///{file}", file, StoreDurability.AUTO))
    return finding


def test_a_file_is_in_order_when_it_can_be_used(file: Path) -> None:
    with closing(SqliteStore(file)) as store:
        store.insert(Kind.ROOM, "room", b"{}")
    assert found(file) == Finding(f"STORE_URL leads to {file}: it can be read and written")


def test_nothing_is_made_when_there_is_no_file_yet(file: Path) -> None:
    assert found(file) == Finding(f"STORE_URL leads to {file}: it is made at the first start")
    assert not file.exists()


def test_the_fault_names_setting_and_mend_when_the_file_is_no_database(file: Path) -> None:
    file.write_text("long enough to be taken for a header" * 99)
    finding = found(file)
    assert finding.is_fault
    assert finding.text.startswith(f"STORE_URL leads to {file}, which can't be used ")
    assert finding.text.endswith("; name another file")


def test_a_folder_is_told_when_the_address_leads_to_one(tmp_path: Path) -> None:
    assert found(tmp_path).is_fault
