"""Whether the store that the settings name can be used, picked by what the address leads to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from chat.errors import StoreUnavailable
from chat.store.findings import Finding
from chat.store.sqlite import SqliteStore
from config.couchbase_url import CouchbaseAddress
from config.settings import StoreSettings


def check_store(settings: StoreSettings) -> Iterator[Finding]:
    """Yield what was found, without a login in it; takes no longer than about ten seconds."""
    place = settings.place
    if isinstance(place, CouchbaseAddress):
        from chat.store.couchbase.check import check_couchbase  # the SDK: only where it is used

        return check_couchbase(place, settings.durability)
    return _check_file(place)


def _check_file(file: Path) -> Iterator[Finding]:
    where = f"STORE_URL leads to {file}"
    if not file.exists():
        yield Finding(f"{where}: it is made at the first start")
        return
    if not os.access(file, os.R_OK | os.W_OK):
        yield Finding(f"{where}, which can't be written; name another file", is_fault=True)
        return
    try:
        with closing(SqliteStore(file)) as store:
            store.ping()
    except StoreUnavailable as exc:
        yield Finding(f"{where}, which can't be used ({exc.action}); name another file", is_fault=True)
    else:
        yield Finding(f"{where}: it can be read and written")
