"""What a user has chosen: at present whether others are told what the user has seen."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping

import msgspec

from chat.errors import DocumentExists, DocumentMissing
from chat.store.base import Document, Kind, Store

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
        record = _record(self._store.get(Kind.USER, user_id))
        if is_heard:
            self._remember({user_id: record}, changes)
        return record

    def read_ahead(self, user_ids: Collection[str]) -> None:
        """Remember the choices of those who are connected here, in one read. Raises StoreUnavailable."""
        wanted = [each for each in user_ids if each not in self._remembered and self._is_heard(each)]
        changes = self._changes
        found = self._store.get_many(Kind.USER, wanted) if wanted else {}
        self._remember({user_id: _record(found.get(user_id)) for user_id in wanted}, changes)

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

    def _remember(self, records: Mapping[str, UserRecord], changes: int) -> None:
        if changes != self._changes:
            return  # what was read may be older than a change
        self._remembered.update(records)
        while len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)


def _record(document: Document | None) -> UserRecord:
    return _user.decode(document.body) if document else UserRecord()
