"""Open the document store that `STORE_URL` names."""

from __future__ import annotations

from typing import NoReturn

from chat.store.base import Store
from chat.store.sqlite import SqliteStore

_USE_SQLITE = "use sqlite:///var/chat.db (a relative path) or sqlite:////srv/chat.db (an absolute one)"


def open_store(url: str) -> Store:
    """Return the adapter for this address; nothing is opened before its first call.

    Raises: ValueError, in one line that names the setting, the fault and the mend. The address itself is not
    repeated, because it may hold a password.
    """
    scheme, colon, rest = url.partition("://")
    if not colon:
        _refuse("has no scheme")
    if scheme == "couchbase":
        _refuse("names couchbase://, which arrives in a later release")
    if scheme != "sqlite":
        _refuse("has an unknown scheme")
    return SqliteStore(_sqlite_path(rest))


def _sqlite_path(rest: str) -> str:
    if not rest.startswith("/"):
        _refuse("names a host, and an SQLite file has none")
    path = rest[1:]
    if not path or path.endswith("/"):
        _refuse("names no file")
    if path == ":memory:":
        _refuse("asks for a database in memory, which the server's processes can't share")
    if "?" in path:
        _refuse("has options after a '?', and an SQLite file takes none")
    return path


def _refuse(fault: str) -> NoReturn:
    raise ValueError(f"STORE_URL {fault}; {_USE_SQLITE}")
