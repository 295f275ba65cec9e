"""What a user has chosen: at present whether others are told what the user has seen."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import msgspec

from chat.errors import DocumentExists, DocumentMissing
from chat.store.base import Kind, Store

REMEMBERED = 50_000  # users, about 150 bytes each


class UserRecord(msgspec.Struct, frozen=True):
    """The document of kind `user`, under the user's id."""

    read_receipts: bool = True


_user = msgspec.json.Decoder(UserRecord)


class Preferences:
    """Reads and changes them.

    They are remembered for users of whose changes this process hears (`is_heard`), because they are connected here;
    `on_changed(user)` tells every server to `forget`.
    """

    def __init__(self, store: Store, is_heard: Callable[[str], bool], on_changed: Callable[[str], None]) -> None:
        self._store = store
        self._is_heard = is_heard
        self._on_changed = on_changed
        self._remembered: OrderedDict[str, UserRecord] = OrderedDict()
        self._changes = 0

    def of(self, user_id: str) -> UserRecord:
        """Return a user's choices. Raises StoreUnavailable."""
        is_heard, changes = self._is_heard(user_id), self._changes
        if is_heard and (known := self._remembered.get(user_id)) is not None:
            return known
        document = self._store.get(Kind.USER, user_id)
        record = _user.decode(document.body) if document else UserRecord()
        if is_heard and changes == self._changes:  # else what was read may be older than a change
            self._remembered[user_id] = record
            if len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        return record

    def reads_in_private(self, user_id: str) -> bool:
        """Tell whether others are not told what the user has seen."""
        return not self.of(user_id).read_receipts

    def change(self, user_id: str, *, read_receipts: bool) -> UserRecord:
        """Set a choice and return them all. Raises StoreUnavailable, BrokerUnavailable."""
        first = msgspec.json.encode(UserRecord(read_receipts))
        sets: dict[tuple[str, ...], object] = {("read_receipts",): read_receipts}
        try:
            self._store.update_paths(Kind.USER, user_id, sets=sets)
        except DocumentMissing:
            try:
                self._store.insert(Kind.USER, user_id, first)
            except DocumentExists:
                self._store.update_paths(Kind.USER, user_id, sets=sets)
        self.forget(user_id)
        self._on_changed(user_id)
        return self.of(user_id)

    def forget_all(self) -> None:
        """Read everybody's anew: changes may have passed unheard."""
        self._changes += 1
        self._remembered.clear()

    def forget(self, user_id: str) -> None:
        """Read it anew the next time."""
        self._changes += 1
        self._remembered.pop(user_id, None)
