"""After a batch came through here, the store knows whom its messages answer and name; before they are confirmed.

Before: the drain stored the messages. A batch in which nobody answers or names anybody costs nothing here. After:
the drain confirms, and the parents of new replies are brought up to date by a task of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping

from chat.model.ids import MessageRef, message_id
from chat.services.notes import Notes, Place, Said, is_telling, notes_of, said_by, write_down
from chat.services.settle import Settled, Stored
from chat.store.base import Store

log = logging.getLogger(__name__)

OnReplies = Callable[[Collection[str]], None]  # with the ids of messages whose replies have changed
OnNaming = Callable[[Mapping[str, int]], None]  # with the newest number of each room that names anybody


def nobody_asks(_parents: Collection[str]) -> None:
    """Stand in where no task counts replies."""


def nobody_counts(_newest: Mapping[str, int]) -> None:
    """Stand in where nobody asks who was named."""


class BatchNotes:
    """Notes for one drain. `on_replies` marks parents so that a task counts; `has_replies` tells that it did.

    `on_naming` comes after the store's notes: who counts mentions then either finds them or was told of none.
    """

    def __init__(
        self, store: Store, on_replies: OnReplies = nobody_asks, on_naming: OnNaming = nobody_counts
    ) -> None:
        self._store = store
        self._on_replies = on_replies
        self._on_naming = on_naming
        self.has_replies = False

    def __call__(self, settled: Settled) -> Settled:
        """Return the batch with those messages waiting again whose notes the store could not take."""
        telling = [(each, said) for each in settled.stored if (said := _said(each)) is not None]
        if not telling:
            return settled
        notes = notes_of(said for _, said in telling)
        unwritten = write_down(self._store, notes.sets)
        self._mark(notes)
        if not unwritten:
            return settled
        held = {id(each) for each, said in telling if _places(said) & unwritten.keys()}
        stored = [each for each in settled.stored if id(each) not in held]
        waiting = [each.pending for each in settled.stored if id(each) in held]
        turned_away = settled.turned_away or next(filter(None, unwritten.values()), "")
        return settled._replace(stored=stored, waiting=settled.waiting + waiting, turned_away=turned_away)

    def newest(self, bodies: Iterable[bytes]) -> None:
        """Note again what a room's newest messages say: Redis was lost, perhaps between storing and noting."""
        said = [each for body in bodies if _is_of_note(body) and (each := said_by(body)) is not None]
        notes = notes_of(said)
        if unwritten := write_down(self._store, notes.sets):
            log.warning("notes-not-written", extra={"documents": len(unwritten), "action": "go on"})
        self._mark(notes)

    def taken(self) -> bool:
        """Return whether parents were marked since the last asking."""
        has_replies, self.has_replies = self.has_replies, False
        return has_replies

    def _mark(self, notes: Notes) -> None:
        if notes.naming:
            self._on_naming(notes.naming)
        if notes.parents:
            self._on_replies(ids_of(notes.parents))
            self.has_replies = True


def ids_of(parents: Collection[MessageRef]) -> list[str]:
    """Return the messages' ids."""
    return [message_id(*parent) for parent in parents]


def _is_of_note(body: bytes) -> bool:
    return is_telling(body) or b'"deleted_at":"' in body


def _said(stored: Stored) -> Said | None:
    return said_by(stored.body) if is_telling(stored.body) else None


def _places(said: Said) -> set[Place]:
    return set(notes_of([said]).sets)
