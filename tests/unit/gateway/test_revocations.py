"""One process's copy of the revocations: what it hears, what it looks for, and whom it sends away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from chat.broker.revocations import Revocation
from chat.errors import BrokerUnavailable
from chat.gateway.identity import Identity
from chat.gateway.revocations import Revocations
from chat.gateway.writer import write_all
from chat.hub import Hub
from chat.protocol.frames import text_frame
from tests.support.local_client import LocalClient


class Shared:
    """What all servers share; `is_down` makes it fail."""

    def __init__(self) -> None:
        self.keep_s = 3600
        self.made: list[Revocation] = []
        self.is_down = False
        self.looks: list[int] = []

    def revoke(self, user_id: str) -> Revocation:
        self._check()
        self.made.append(Revocation(user_id, int(time.time() * 1000)))
        return self.made[-1]

    def since(self, at_ms: int) -> list[Revocation]:
        self._check()
        self.looks.append(at_ms)
        return [each for each in self.made if each.at_ms >= at_ms]

    def _check(self) -> None:
        if self.is_down:
            raise BrokerUnavailable("test")


class Place:
    """A hub with connections, and the copy under test."""

    def __init__(self) -> None:
        self.shared = Shared()
        self.hub = Hub(write_all, text_frame)
        self.copy = Revocations(self.shared, self.hub)
        self.clients: list[LocalClient] = []

    def client(self, user_id: str, issued_at: float | None) -> LocalClient:
        client = LocalClient(user_id)
        client.session.identity = Identity(user_id, user_id, issued_at=issued_at)
        self.hub.add_user(client.session)
        self.clients.append(client)
        return client


@pytest.fixture
def place() -> Iterator[Place]:
    made = Place()
    yield made
    for client in made.clients:
        client.close()


def codes(*clients: LocalClient) -> list[Any]:
    return [[each["data"]["code"] for each in client.told()] for client in clients]


def test_only_older_connections_of_the_user_end_when_a_revocation_is_heard(place):
    now = time.time()
    old, new = place.client("ann", now - 5), place.client("ann", now + 5)
    silent, other = place.client("ann", None), place.client("bob", now - 5)
    place.copy.hear(f"revoked ann {int(now * 1000)}".encode())
    assert codes(old, new, silent, other) == [[4503], [], [4503], []]


@pytest.mark.parametrize(
    "payload", [b"", b"revoked", b"revoked ann", b"revoked ann x", b"revoked ann -1", b"else ann 1", b"\xff \xff 1"]
)
def test_nothing_happens_when_the_channel_says_something_else(place, payload):
    ann = place.client("ann", None)
    place.copy.hear(payload)
    assert codes(ann) == [[]]


@pytest.mark.parametrize(("age_s", "is_refused"), [(5, True), (0, True), (-1, False), (None, True)])
def test_a_token_is_refused_when_it_is_no_newer_than_the_revocation(place, age_s, is_refused):
    made = place.copy.revoke("ann")
    issued_at = None if age_s is None else made.at_ms / 1000 - age_s
    assert place.copy.refuses(Identity("ann", "Ann", issued_at=issued_at)) == is_refused
    assert not place.copy.refuses(Identity("bob", "Bob", issued_at=issued_at))


def test_a_lost_publication_is_found_when_one_looks(place):
    place.copy.look()
    ann = place.client("ann", time.time() - 5)
    place.shared.revoke("ann")
    place.copy.look()
    assert codes(ann) == [[4503]]
    first, second = place.shared.looks
    assert second - first > (place.shared.keep_s - 40) * 1000  # only the last 30 s are read again


def test_what_was_missed_is_read_when_redis_is_back(place, monkeypatch):
    place.copy.look()
    start = time.time()
    place.shared.is_down = True
    monkeypatch.setattr("chat.gateway.revocations.time.time", lambda: start + 500)
    with pytest.raises(BrokerUnavailable):
        place.copy.look()
    place.shared.is_down = False
    place.shared.made.append(Revocation("ann", int((start + 1) * 1000)))
    place.copy.look()
    assert place.copy.refuses(Identity("ann", "Ann"))


def test_nobody_is_believed_when_the_revocations_were_never_read(place):
    place.shared.is_down = True
    with pytest.raises(BrokerUnavailable):
        place.copy.refuses(Identity("bob", "Bob"))
    place.shared.is_down = False
    assert not place.copy.refuses(Identity("bob", "Bob"))
    place.shared.is_down = True
    assert not place.copy.refuses(Identity("bob", "Bob"))  # once read, it goes on without Redis


def test_a_revocation_is_forgotten_when_every_token_it_meant_has_ended(place, monkeypatch):
    place.copy.revoke("ann")
    late = time.time() + place.shared.keep_s + 61
    monkeypatch.setattr("chat.gateway.revocations.time.time", lambda: late)
    place.copy.look()
    assert not place.copy.refuses(Identity("ann", "Ann"))


def test_the_newest_counts_when_a_user_is_revoked_again(place):
    now_ms = int(time.time() * 1000)
    for at_ms in (now_ms, now_ms - 1000):
        place.copy.hear(f"revoked ann {at_ms}".encode())
    assert place.copy.refuses(Identity("ann", "Ann", issued_at=now_ms / 1000 - 0.5))
