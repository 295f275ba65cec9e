"""Dead letters of every kind as an operator sees them: one list, and ids that say which kind it is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

from chat.broker.dead_letters import DeadLetter, DeadLetters
from chat.broker.push_dead import PushDeadLetters
from chat.errors import ChatError, InvalidRequest, LetterNotFound, LetterUnreadable, OutboxFull
from chat.model.clock import rfc3339
from chat.model.device import DeviceKind
from chat.model.push import PushLetter

MESSAGE, PUSH = "message", "push"
log = logging.getLogger(__name__)
SEPARATOR = ":"  # between the kind and what is the letter's id among its kind


@dataclass(frozen=True, slots=True)
class Letter:
    """Something that was given up; `details` say what it is about, in the terms of its kind."""

    id: str
    code: str
    text: str
    failed_at: str
    details: Mapping[str, Any] = field(default_factory=dict)


class Letters(Protocol):
    """The letters of one kind; ids are those among this kind."""

    def page(self, limit: int, after: str) -> Sequence[Letter]:
        """Return the letters behind one, or the first ones, `limit` at most."""
        ...

    def redrive(self, letter_id: str) -> str:
        """Try again what was given up and return what came of it. Raises LetterNotFound, LetterUnreadable."""
        ...

    def drop(self, letter_id: str) -> bool:
        """Remove a letter for good; return False when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class LetterPage:
    """Letters by kind; `cursor` leads to those behind them, None after the last."""

    letters: list[tuple[str, Letter]]
    cursor: str | None


class LetterDesk:
    """All kinds together."""

    def __init__(self, kinds: Mapping[str, Letters]) -> None:
        self._kinds = kinds

    def page(self, kind: str | None, cursor: str, limit: int) -> LetterPage:
        """Return letters of one kind or of all, kind by kind. Raises InvalidRequest."""
        start, after = self._split(cursor) if cursor else ("", "")
        if cursor and (start not in self._kinds or kind not in (None, start)):
            raise InvalidRequest("cursor must be what the page before has told, for the same kind", field="cursor")
        found = list(islice(self._behind(kind, start, after, limit + 1), limit + 1))
        page = found[:limit]
        more = len(found) > limit
        return LetterPage(page, f"{page[-1][0]}{SEPARATOR}{page[-1][1].id}" if more else None)

    def redrive(self, letter_id: str) -> str:
        """Try again what was given up and return what came of it. Raises LetterNotFound, LetterUnreadable."""
        kind, own_id = self._split(letter_id)
        if kind not in self._kinds:
            raise _not_found(letter_id)
        return self._kinds[kind].redrive(own_id)

    def drop(self, letter_id: str) -> None:
        """Remove a letter for good. Raises LetterNotFound."""
        kind, own_id = self._split(letter_id)
        if kind not in self._kinds or not self._kinds[kind].drop(own_id):
            raise _not_found(letter_id)

    def _behind(self, kind: str | None, start: str, after: str, limit: int) -> Iterator[tuple[str, Letter]]:
        kinds = list(self._kinds)
        for each in kinds[kinds.index(start) :] if start else kinds:
            if kind in (None, each):
                yield from (
                    (each, letter) for letter in self._kinds[each].page(limit, after if each == start else "")
                )

    def _split(self, letter_id: str) -> tuple[str, str]:
        kind, _, own_id = letter_id.partition(SEPARATOR)
        return kind, own_id


class MessageLetters:
    """Messages that no worker could store. `wake()` sends a worker after one that is re-driven."""

    def __init__(self, letters: DeadLetters, warm: Callable[[str], object], wake: Callable[[], object]) -> None:
        self._letters = letters
        self._warm = warm
        self._wake = wake

    def page(self, limit: int, after: str) -> Sequence[Letter]:
        """Return the letters behind one, or the first ones, `limit` at most."""
        return [_shown(each) for each in islice(self._letters.read(after), limit)]

    def redrive(self, letter_id: str) -> str:
        """Accept the message again. Raises LetterNotFound, LetterUnreadable, OutboxFull."""
        letter = self._letters.find(letter_id)
        if letter is None:
            raise _not_found(f"{MESSAGE}{SEPARATOR}{letter_id}")
        outcome = self._letters.redrive(letter, self._warm)
        if outcome == "unreadable":
            raise LetterUnreadable("the message can't be read any more; drop the letter", field="letterId")
        if outcome == "overloaded":
            raise OutboxFull
        self._wake()
        return outcome

    def drop(self, letter_id: str) -> bool:
        """Remove a letter for good; return False when there is none."""
        return self._letters.drop(letter_id)


class PushLetters:
    """Notifications that were given up. `wake(kind)` sends a worker after one that is re-driven."""

    def __init__(self, letters: PushDeadLetters, wake: Callable[[DeviceKind], object]) -> None:
        self._letters = letters
        self._wake = wake

    def page(self, limit: int, after: str) -> Sequence[Letter]:
        """Return the letters behind one, or the first ones, `limit` at most."""
        return [_shown_push(each) for each in self._letters.read(limit=limit, cursor=after)]

    def redrive(self, letter_id: str) -> str:
        """Have the device notified, unless the message was read or told meanwhile. Raises LetterNotFound."""
        letter = self._letters.find(letter_id)
        if letter is None or not self._letters.redrive(letter_id):
            raise _not_found(f"{PUSH}{SEPARATOR}{letter_id}")
        try:
            self._wake(letter.target.kind)
        except (ChatError, OSError) as exc:
            log.warning("push-not-woken", extra={"error": str(exc), "action": "a worker sees it by itself"})
        return "accepted"

    def drop(self, letter_id: str) -> bool:
        """Remove a letter for good; return False when there is none."""
        return self._letters.drop(letter_id)


def _shown_push(letter: PushLetter) -> Letter:
    target = letter.target
    place = {"kind": target.kind, "room_id": target.room_id, "user_id": target.user_id}
    details = {**place, "device_id": target.device_id, "seq": letter.seq, "tries": letter.tries}
    return Letter(letter.letter_id, "push-failed", letter.reason, rfc3339(letter.at_ms), details)


def _shown(letter: DeadLetter) -> Letter:
    message = letter.members.decode(errors="replace")
    details = {
        "room_id": letter.room_id,
        "sender_id": letter.sender_id,
        "temp_id": letter.temp_id,
        "accepted_at": rfc3339(letter.accepted_ms),
        "message": message,
    }
    return Letter(letter.letter_id, letter.code, letter.text, rfc3339(letter.at_ms), details)


def _not_found(letter_id: str) -> LetterNotFound:
    return LetterNotFound(f"there is no dead letter {letter_id}; it may be re-driven or dropped", field="letterId")
