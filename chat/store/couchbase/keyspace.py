"""Where documents are in the bucket: one collection per kind in a scope of ours, or all in the default one."""

from __future__ import annotations

from typing import Any

from chat.store.base import Kind


class Keyspace:
    """Maps kinds and keys to the SDK's collections and keys."""

    def __init__(self, bucket: Any, scope: str | None) -> None:
        self._has_prefix = scope is None
        if scope is None:
            default = bucket.default_collection()
            self._collections = dict.fromkeys(Kind, default)
        else:
            place = bucket.scope(scope)
            self._collections = {kind: place.collection(kind.value) for kind in Kind}

    def collection(self, kind: Kind) -> Any:
        """Return the SDK's collection for documents of this kind."""
        return self._collections[kind]

    def name(self, kind: Kind, key: str) -> str:
        """Return the key of a document inside its collection."""
        return f"{kind.value}:{key}" if self._has_prefix else key
