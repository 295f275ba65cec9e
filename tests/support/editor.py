"""Somebody who changes documents of a room while the chat writes them: no older state may come over a newer one."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

import msgspec

from chat.errors import CasMismatch, StoreError
from chat.model.message import message_key
from chat.store.base import Kind, Store

PAUSE_S = 0.02
EDITORS = 3
NEWEST = 30  # messages among which one is changed


class Editor:
    """Edits messages and renames their room, each time under a higher number, until the `with` block ends."""

    def __init__(self, store: Store, room_id: str, last_seq: Callable[[], int]) -> None:
        self._store = store
        self._room_id = room_id
        self._last_seq = last_seq
        self._numbers = itertools.count(1)
        self._edits: dict[int, int] = {}  # by seq: the highest number that surely was written
        self._name = 0
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=self._go_on, args=(act,), daemon=True)
            for act in (*[self._edit] * EDITORS, self._rename)
        ]

    @property
    def edits(self) -> int:
        """How many messages were changed."""
        return len(self._edits)

    def overwritten(self, stored: list[dict[str, Any]], room: dict[str, Any]) -> int:
        """Return how many documents are older than they were."""
        is_older = [each["metadata"].get("edit", 0) < self._edits.get(each["seq"], 0) for each in stored]
        return sum(is_older) + (int(room["name"].split("#")[-1]) < self._name)

    def edit_all(self, first: int, last: int) -> int:
        """Edit each of these messages that is stored, and return how many were."""
        return sum(self._edit_one(next(self._numbers), seq) for seq in range(first, last + 1))

    def __enter__(self) -> Editor:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        self._store.close()

    def _go_on(self, act: Callable[[int], None]) -> None:
        while not self._is_over.wait(PAUSE_S):
            with suppress(StoreError):  # it may have happened, or happen later: then a higher number is there
                act(next(self._numbers))

    def _edit(self, number: int) -> None:
        self._edit_one(number, max(1, self._last_seq() - random.randrange(NEWEST)))

    def _edit_one(self, number: int, seq: int) -> bool:
        key = message_key(self._room_id, seq)
        found = self._store.get(Kind.MESSAGE, key)
        if found is None:
            return False
        body = msgspec.json.decode(found.body) | {"metadata": {"edit": number}}
        with suppress(CasMismatch):  # somebody else edits it just now
            self._store.replace(Kind.MESSAGE, key, msgspec.json.encode(body), found.cas)
            self._edits[seq] = max(number, self._edits.get(seq, 0))
        return True

    def _rename(self, number: int) -> None:
        self._store.update_paths(Kind.ROOM, self._room_id, sets={("name",): f"name #{number}"})
        self._name = number
