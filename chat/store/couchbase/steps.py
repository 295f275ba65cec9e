"""One write on its way to its outcome: what to ask next, and what the answer makes of it."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from chat.store.base import Document, Exists, Insert, Missing, Outcome, Raise, Refused, SetPaths, Write, Written
from chat.store.bodies import Unfit, changed
from chat.store.couchbase.faults import ABSENT, CHANGED, IN_DOUBT, TAKEN, reason_to_refuse
from chat.store.couchbase.flight import Landing, Operation, Put, Read, Swap
from chat.store.couchbase.recent import Recent

# A write ends as its outcome, or as the exception that kept it from one.
End: TypeAlias = Outcome | Exception


class Step(Protocol):
    """A write that has no end yet; `next` is the operation to do for it."""

    next: Operation

    def land(self, landing: Landing) -> End | None:
        """Take the answer; return the end of the write, or None when `next` has to be done now."""


def step_of(write: Write, recent: Recent, *, is_observed: bool, is_found_to_count: bool) -> Step:
    """Return the way of this write.

    `is_observed` says that what can be read may lack its copies, `is_found_to_count` that the caller will take
    a document that was there already for written.
    """
    if isinstance(write, Insert):
        return InsertStep(write, is_observed, is_found_to_count)
    return ChangeStep(write, recent, is_observed)


class InsertStep:
    """Insert; where there is something already, or nobody knows, look.

    A node that was too slow may still do it later: that it is not there now proves nothing.
    """

    def __init__(self, insert: Insert, is_observed: bool, is_found_to_count: bool) -> None:
        self._insert = insert
        self._is_observed = is_observed
        self._is_found_to_count = is_found_to_count
        self._doubt: Exception | None = None
        self._found: Document | None = None
        self.next: Operation = self._put()

    def land(self, landing: Landing) -> End | None:
        match self.next:
            case Put():
                return self._land_put(landing)
            case Read():
                return self._land_read(landing)
            case _:
                return self._land_swap(landing)

    def _land_put(self, landing: Landing) -> End | None:
        if isinstance(landing, int):
            return Written(landing)
        if isinstance(landing, IN_DOUBT):
            self._doubt = landing
        elif not isinstance(landing, TAKEN):
            return _end(landing)
        self.next = Read(self._insert.kind, self._insert.key)
        return None

    def _land_read(self, landing: Landing) -> End | None:
        if isinstance(landing, Document):
            if not self._is_observed or not (self._is_found_to_count or self._is_ours(landing)):
                return self._end_of(landing)
            self._found = landing  # its copies are not known of before a write of it counted
            self.next = Swap(landing.kind, landing.key, landing.body, landing.cas)
            return None
        if not isinstance(landing, ABSENT):
            return _end(landing)
        if self._doubt is not None:
            return self._doubt
        self.next = self._put()  # deleted since
        return None

    def _land_swap(self, landing: Landing) -> End | None:
        if isinstance(landing, int) and self._found is not None:
            return self._end_of(Document(self._found.kind, self._found.key, self._found.body, landing))
        if isinstance(landing, CHANGED | ABSENT):
            self.next = Read(self._insert.kind, self._insert.key)
            return None
        return _end(landing)

    def _end_of(self, found: Document) -> Outcome:
        return Written(found.cas) if self._is_ours(found) else Exists(found.body)

    def _is_ours(self, found: Document) -> bool:
        return self._doubt is not None and found.body == self._insert.body

    def _put(self) -> Put:
        return Put(self._insert.kind, self._insert.key, self._insert.body)


class ChangeStep:
    """Replace the document as it was seen last; where it is another by now, read it and decide anew."""

    def __init__(self, write: Raise | SetPaths, recent: Recent, is_observed: bool) -> None:
        self._write = write
        self._recent = recent
        self._is_observed = is_observed
        self._is_in_doubt = False
        self._body = b""
        self.next: Operation = Read(write.kind, write.key)
        seen = recent.get(write.kind, write.key)
        if seen is not None:
            self._start_from(seen)

    def land(self, landing: Landing) -> End | None:
        if isinstance(self.next, Swap):
            return self._land_swap(landing)
        if not isinstance(landing, Document):
            return Missing() if isinstance(landing, ABSENT) else _end(landing)
        self._recent.keep(landing)
        try:
            body = changed(landing.body, self._write)
        except Unfit as exc:
            return Refused(str(exc))
        if body is None:
            if not (self._is_in_doubt and self._is_observed):
                return Written(landing.cas)
            body = landing.body  # written, by us perhaps, and its copies are not known of
        self._swap(landing, body)
        return None

    def _start_from(self, seen: Document) -> None:
        """Save the reading where the write changes something; whether it does not, only the store can tell."""
        try:
            body = changed(seen.body, self._write)
        except Unfit:
            return
        if body is not None:
            self._swap(seen, body)

    def _swap(self, seen: Document, body: bytes) -> None:
        self._body = body
        self.next = Swap(seen.kind, seen.key, body, seen.cas)

    def _land_swap(self, landing: Landing) -> End | None:
        if isinstance(landing, int):
            self._recent.keep(Document(self._write.kind, self._write.key, self._body, landing))
            return Written(landing)
        self._recent.forget(self._write.kind, self._write.key)
        if isinstance(landing, IN_DOUBT):
            self._is_in_doubt = True
        elif not isinstance(landing, CHANGED | ABSENT):
            return _end(landing)
        self.next = Read(self._write.kind, self._write.key)
        return None


def _end(landing: Landing) -> End:
    """End with an exception that no further operation can mend."""
    if not isinstance(landing, Exception):
        raise TypeError(f"an answer of another operation: {type(landing).__name__}")
    reason = reason_to_refuse(landing)
    return landing if reason is None else Refused(reason)
