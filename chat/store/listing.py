"""All keys of a store: not a part of the store's port, because only moving everything needs it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from chat.store.base import Kind


class Listing(Protocol):
    """Names every document that was there when it began and still is; raises StoreUnavailable."""

    def keys(self, kind: Kind) -> Iterator[str]:
        """Yield the keys of a kind, each once, in no order that counts."""

    def count(self, kind: Kind) -> int:
        """Return how many documents of a kind there are."""
