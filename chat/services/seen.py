"""After a mark here the user has read a room up to a message, and the room knows; the store is told later.

One step whatever the number of messages: a cursor is raised. Before: the dispatcher or a request. After: the
`seen` queue stores the cursor, the `unread` queue counts the user's counters anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from chat.errors import BrokerUnavailable, InvalidRequest
from chat.model.cursor import Cursor, Marked, Standing
from chat.model.ids import MessageRef, parse_message_id
from chat.model.message import message_key
from chat.services.cursors import Pair, read_cursors
from chat.store.base import Kind, Store

TRIES = 5  # a room and a cursor may have to be loaded, each once, and be lost again


class Marking(Protocol):
    """The broker's cursors."""

    def mark(
        self, room_id: str, user_id: str, seq: int, *, epoch: str = "", is_private: bool = False
    ) -> Marked: ...

    def load(self, cursors: dict[Pair, Cursor]) -> None: ...

    def cursors(self, room_id: str, user_ids: Sequence[str]) -> dict[str, Cursor]: ...


class Viewer(NamedTuple):
    """Somebody who has seen a message."""

    user_id: str
    up_to_seq: int
    seen_ms: int


class _Identity(msgspec.Struct):
    id: str = ""


class Seen:
    """Marks and their readers.

    `locate(room)` warms a room that Redis lost, `is_private(user)` tells who reads without others being told;
    `on_raised(user, room)` is called when it was news, `on_unchanged(user)` when it was not: the user's public
    counters are gone in either case.
    """

    def __init__(
        self,
        reading: Marking,
        store: Store,
        locate: Callable[[str], object],
        is_private: Callable[[str], bool],
        on_raised: Callable[[str, str], None],
        on_unchanged: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._reading = reading
        self._store = store
        self._locate = locate
        self._is_private = is_private
        self._on_raised = on_raised
        self._on_unchanged = on_unchanged

    def mark(
        self, room_id: str, user_id: str, *, seq: int | None = None, message_id: str | None = None
    ) -> Standing:
        """Mark all up to a message of a room whose member the user is, and return where the user stands.

        A `seq` beyond the last one means the last. Raises: InvalidRequest for a message that is not there,
        BrokerUnavailable, StoreUnavailable.
        """
        ref = message_of(room_id, message_id) if message_id is not None else None
        upto, epoch = (ref.seq, ref.epoch) if ref else (seq or 0, "")
        is_private = self._is_private(user_id)
        for _ in range(TRIES):
            marked = self._reading.mark(room_id, user_id, upto, epoch=epoch, is_private=is_private)
            if marked.standing is not None:
                if marked.status == "raised":
                    self._on_raised(user_id, room_id)
                else:
                    self._on_unchanged(user_id)
                return marked.standing
            if marked.status == "cold":
                self._locate(room_id)
            elif marked.status == "unloaded":
                self._reading.load(read_cursors(self._store, [(room_id, user_id)]))
            elif marked.status == "unsure" and ref and self._is_stored(ref):
                epoch = ""
            else:
                raise _unknown()
        raise BrokerUnavailable("mark seen")

    def viewers(self, room_id: str, seq: int, user_ids: Sequence[str]) -> list[Viewer]:
        """Return those of these users who have seen the room up to that message, as far as others may know."""
        found = self._reading.cursors(room_id, user_ids)
        absent = [(room_id, user_id) for user_id in user_ids if user_id not in found]
        found |= {user_id: cursor for (_, user_id), cursor in read_cursors(self._store, absent).items()}
        told = ((user_id, found[user_id]) for user_id in user_ids)
        return [
            Viewer(user_id, cursor.shown_seq, cursor.seen_ms)
            for user_id, cursor in told
            if cursor.shown_seq >= max(seq, 1)
        ]

    def _is_stored(self, ref: MessageRef) -> bool:
        document = self._store.get(Kind.MESSAGE, message_key(ref.room_id, ref.seq))
        if document is None:
            return False
        found = parse_message_id(msgspec.json.decode(document.body, type=_Identity).id)
        return found == ref


def message_of(room_id: str, message_id: str) -> MessageRef:
    """Return what the id of a message of this room says. Raises InvalidRequest."""
    ref = parse_message_id(message_id)
    if ref is None or ref.room_id != room_id:
        raise _unknown()
    return ref


def _unknown() -> InvalidRequest:
    return InvalidRequest("there is no such message in this room; give the id of one", field="messageId")
