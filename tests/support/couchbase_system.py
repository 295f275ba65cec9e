"""The whole running chat with its documents in a CouchbaseMock of its own, which a test may freeze and kill."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from types import TracebackType
from typing import Any

import msgspec

from chat.model.message import message_key
from chat.store.base import Document, Kind, Store
from chat.store.url import open_store
from tests.support.chat_system import ChatSystem
from tests.support.couchbase_mock import CouchbaseMock

NUMBERS = 500  # read at once


class CouchbaseSystem(ChatSystem):
    """One run of the stack on a mock of three nodes and a replica: `with CouchbaseSystem() as system: …`."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        with ExitStack() as on_failure:
            self.mock = on_failure.enter_context(CouchbaseMock(nodes=3, replicas=1))
            super().__init__({**(environ or {}), "STORE_URL": self.mock.url})
            on_failure.pop_all()

    def __enter__(self) -> CouchbaseSystem:
        super().__enter__()
        return self

    def open_store(self) -> Store:
        """Return a connection of the test's own, through the product's adapter."""
        return open_store(self.mock.url)

    def stored(self, room_id: str, up_to: int = 0) -> list[dict[str, Any]]:
        """Return the room's messages as the store has them, by number, and those a little behind its last one.

        `up_to` is how far to look where the store has forgotten the room.
        """
        with closing(self.open_store()) as store:
            room = _room(store, room_id)
            last = max(room["last_seq"] if room else 0, up_to) + NUMBERS
            found: dict[str, Document] = {}
            for first in range(1, last + 1, NUMBERS):
                keys = [message_key(room_id, seq) for seq in range(first, first + NUMBERS)]
                found |= store.get_many(Kind.MESSAGE, keys)
        messages = [msgspec.json.decode(document.body) for document in found.values()]
        return sorted(messages, key=lambda each: int(each["seq"]))

    def room(self, room_id: str) -> dict[str, Any] | None:
        """Return the room's document, None when there is none."""
        with closing(self.open_store()) as store:
            return _room(store, room_id)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            self.mock.kill()


def _room(store: Store, room_id: str) -> dict[str, Any] | None:
    document = store.get(Kind.ROOM, room_id)
    return None if document is None else msgspec.json.decode(document.body)
