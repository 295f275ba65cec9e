"""What a user has chosen is remembered only where a change of it would be heard."""

from __future__ import annotations

import pytest

from chat.services.preferences import Preferences, UserRecord
from chat.store.sqlite import SqliteStore


class Servers:
    """Two servers with one store; `heard` are the users who are connected to both."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.heard: set[str] = set()
        self.here, self.there = (Preferences(store, self.heard.__contains__, self._changed) for _ in range(2))

    def _changed(self, user_id: str) -> None:
        for each in (self.here, self.there):
            each.forget(user_id)


@pytest.fixture
def servers(tmp_path):
    store = SqliteStore(tmp_path / "chat.db")
    yield Servers(store)
    store.close()


def test_others_are_told_when_nothing_was_chosen(servers):
    assert servers.here.of("ann") == UserRecord(read_receipts=True)
    assert not servers.here.reads_in_private("ann")


@pytest.mark.parametrize("is_heard", [True, False])
def test_a_change_counts_on_every_server_at_once(servers, is_heard):
    if is_heard:
        servers.heard.add("ann")
    assert not servers.there.reads_in_private("ann")
    for chosen in (False, True, False):
        assert servers.here.change("ann", read_receipts=chosen).read_receipts is chosen
        assert servers.there.reads_in_private("ann") is not chosen


def test_the_store_is_not_asked_again_when_changes_are_heard(servers):
    servers.heard.add("ann")
    servers.here.of("ann")
    before = servers.store.round_trips
    servers.here.of("ann")
    assert servers.store.round_trips == before
    servers.here.forget_all()
    servers.here.of("ann")
    assert servers.store.round_trips == before + 1


def test_what_was_read_is_not_kept_when_it_changed_meanwhile(servers, monkeypatch):
    servers.heard.add("ann")
    get = servers.store.get

    def slow(*what):
        found = get(*what)
        monkeypatch.undo()
        servers.there.change("ann", read_receipts=False)
        return found

    monkeypatch.setattr(servers.store, "get", slow)
    assert not servers.here.reads_in_private("ann")
    assert servers.here.reads_in_private("ann")


def test_many_are_read_at_once_before_they_ask(servers):
    servers.heard |= {"ann", "bob"}
    servers.here.change("bob", read_receipts=False)
    before = servers.store.round_trips
    servers.here.read_ahead(["ann", "bob", "stranger"])
    assert servers.store.round_trips == before + 1
    assert [servers.here.reads_in_private(each) for each in ("ann", "bob")] == [False, True]
    servers.here.read_ahead(["ann", "bob"])
    assert servers.store.round_trips == before + 1
    servers.here.of("stranger")
    assert servers.store.round_trips == before + 2  # a change of this one would not be heard


def test_what_was_read_ahead_is_not_kept_when_it_changed_meanwhile(servers, monkeypatch):
    servers.heard.add("ann")
    get_many = servers.store.get_many

    def slow_get_many(*asked):
        found = get_many(*asked)
        servers.there.change("ann", read_receipts=False)
        return found

    monkeypatch.setattr(servers.store, "get_many", slow_get_many)
    servers.here.read_ahead(["ann"])
    assert servers.here.reads_in_private("ann")
