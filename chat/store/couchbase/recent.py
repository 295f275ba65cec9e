"""The documents that raises wrote last, so that the next raise of one needs no reading first."""

from __future__ import annotations

from contextlib import suppress

from chat.store.base import Document, Kind

LIMIT = 5000  # documents: rooms that one worker stores messages of in turn
BODY_LIMIT_BYTES = 16 * 1024  # larger ones are read each time


class Recent:
    """A bounded memory, oldest out first. What is in it may have changed since: a cas tells.

    No lock: each step is atomic in CPython, and the worst that a race can do is to forget.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._documents: dict[tuple[Kind, str], Document] = {}

    def get(self, kind: Kind, key: str) -> Document | None:
        """Return the document as it was seen last."""
        return self._documents.get((kind, key))

    def keep(self, document: Document) -> None:
        """Remember this state."""
        self.forget(document.kind, document.key)  # so that it is the newest of all
        if len(document.body) > BODY_LIMIT_BYTES:
            return
        self._documents[document.kind, document.key] = document
        with suppress(StopIteration, RuntimeError):  # another thread was at it
            while len(self._documents) > self._limit:
                self._documents.pop(next(iter(self._documents)), None)

    def forget(self, kind: Kind, key: str) -> None:
        """Have the document read the next time."""
        self._documents.pop((kind, key), None)
