"""Open the document store that `STORE_URL` names."""

from __future__ import annotations

from chat.store.base import Store
from chat.store.sqlite import SqliteStore
from config.couchbase_url import CouchbaseAddress
from config.durability import StoreDurability
from config.env import SettingError
from config.urls import read_store


def open_store(url: str, durability: StoreDurability = StoreDurability.AUTO) -> Store:
    """Return the adapter for this address; nothing is opened before its first call.

    Raises: ValueError, in one line that names the setting, the fault and the mend. The address itself is not
    repeated, because it may hold a password.
    """
    try:
        place = read_store("STORE_URL", url)
    except SettingError as exc:
        raise ValueError(str(exc)) from None
    if not isinstance(place, CouchbaseAddress):
        return SqliteStore(place)
    from chat.store.couchbase.adapter import (
        CouchbaseStore,
    )  # the SDK takes memory that SQLite's users need not have

    return CouchbaseStore(place, durability)
