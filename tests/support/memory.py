"""An in-memory twin of the broker's ports, for tests without a network.

`MemoryBroker` follows `chat/broker/base.py` and the Lua files: the same answers, and byte for byte the same
publications. `tests/unit/services/test_history.py` compares it with the real scripts on a real server.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from chat.broker.base import (
    Accepted,
    AcceptOutcome,
    Appended,
    AppendOutcome,
    Cold,
    Draft,
    Duplicate,
    DurableEvent,
    Fate,
    Intent,
    LogRead,
    OnOutcome,
    OutboxMessage,
    Overloaded,
    Stale,
)
from chat.errors import ChatError
from chat.model.events import new_frame
from chat.model.ids import new_epoch
from chat.model.publication import MembersChange, RoomEvents, read_room


@dataclass
class Head:
    """Where a room's numbering and log stand."""

    epoch: str
    seq: int
    offset: int = 0


@dataclass
class MemoryBroker:
    """`RoomLog` and `Accepting`: what is published waits in `published` until a test passes it on."""

    outbox_limit: int = 1000
    log_length: int = 1000
    heads: dict[str, Head] = field(default_factory=dict)
    logs: dict[str, list[RoomEvents]] = field(default_factory=dict)
    payloads: dict[str, list[bytes]] = field(default_factory=dict)
    outbox: dict[str, dict[int, OutboxMessage]] = field(default_factory=dict)
    dedupe: dict[tuple[str, str, str], Fate] = field(default_factory=dict)
    published: list[tuple[str, bytes]] = field(default_factory=list)
    revisions: dict[tuple[str, str], int] = field(default_factory=dict)
    intents: list[Intent] = field(default_factory=list)
    told: list[MembersChange] = field(default_factory=list)  # what every server was told
    submitted: list[tuple[Draft, OnOutcome]] = field(default_factory=list)
    fault: ChatError | None = None  # raised by every read while it is set
    before_read: Callable[[], None] = lambda: None
    after_read: Callable[[], None] = lambda: None

    # Accepting

    def submit(self, draft: Draft, on_outcome: OnOutcome) -> None:
        self.submitted.append((draft, on_outcome))

    def is_submitting(self, is_meant: Callable[[Draft], bool]) -> bool:
        return any(is_meant(draft) for draft, _ in self.submitted)

    def answer(self) -> None:
        """Give what was submitted its outcomes, and what is submitted meanwhile."""
        while self.submitted:
            draft, on_outcome = self.submitted.pop(0)
            on_outcome(self.accept(draft))

    def accept(self, draft: Draft) -> AcceptOutcome:
        """Do what `accept_messages.lua` does for one message."""
        head = self.heads.get(draft.room_id)
        if head is None:
            return Cold()
        key = (draft.room_id, draft.sender_id, draft.temp_id)
        known = self.dedupe.get(key)
        if known is not None and not (known.state == "failed" and known.retryable):
            return Duplicate(known.state, known.seq, known.epoch, known.error_code, known.error_text)
        if sum(len(each) for each in self.outbox.values()) >= self.outbox_limit:
            return Overloaded()
        head.seq, head.offset = head.seq + 1, head.offset + 1
        at = (head.seq, head.epoch, head.offset)
        frame = new_frame(draft.room_id, *at, draft.confirm_by, draft.members)
        origin = f"{draft.sender_id} {draft.temp_id} {draft.accepted_ms}".encode()
        header = f"new {head.epoch} {head.offset} 1 {head.seq} 1-{head.seq}".encode()
        self.dedupe[key] = Fate("pending", head.seq, head.epoch)
        self.outbox.setdefault(draft.room_id, {})[head.seq] = OutboxMessage(
            draft.room_id,
            head.epoch,
            head.seq,
            draft.sender_id,
            draft.temp_id,
            draft.accepted_ms,
            draft.members,
        )
        self._log(draft.room_id, b"\n".join((header, origin, frame)))
        return Accepted(*at)

    # the worker's side

    def confirm(self, room_id: str, *seqs: int) -> None:
        """Confirm messages that wait."""
        taken = [self.outbox[room_id].pop(seq) for seq in seqs]
        for each in taken:
            key = (room_id, each.sender_id, each.temp_id)
            self.dedupe[key] = Fate("confirmed", each.seq, each.epoch)
        pairs = " ".join(f"{each.seq}:{each.sender_id}" for each in taken)
        self.published.append((room_id, f"confirmed {taken[0].epoch} {pairs}".encode()))

    def retract(self, room_id: str, seq: int, *, retryable: bool = False) -> None:
        """Give a waiting message up."""
        each = self.outbox[room_id].pop(seq)
        head = self.heads[room_id]
        head.offset += 1
        self.dedupe[room_id, each.sender_id, each.temp_id] = Fate(
            "failed", seq, each.epoch, "refused", "too sad", retryable
        )
        told = (
            f'{{"event":"message-retracted","data":{{"roomId":"{room_id}",'
            f'"messageId":"{room_id}.{seq}.{each.epoch}","seq":{seq},"offset":{head.offset}}}}}'
        )
        header = f"retracted {head.epoch} {head.offset} 1 {seq} {each.epoch}"
        self._log(room_id, f"{header}\n{each.sender_id}\n{told}".encode())

    def lose_everything(self) -> None:
        """Forget what Redis would have lost."""
        for each in (self.heads, self.logs, self.payloads, self.outbox, self.dedupe, self.revisions):
            each.clear()
        self.intents.clear()

    # Appending

    def intend(self, intent: Intent) -> None:
        if self.fault is not None:
            raise self.fault
        self.intents.append(intent)

    def forget(self, intent: Intent) -> None:
        if self.fault is not None:
            raise self.fault
        self.intents = [each for each in self.intents if each != intent]

    def overdue(self, older_than_s: float) -> list[Intent]:
        return list(self.intents)

    def append(self, event: DurableEvent, intent: Intent | None = None, token: str = "") -> AppendOutcome:
        """Do what `append_event.lua` does."""
        if self.fault is not None:
            raise self.fault
        head = self.heads.get(event.room_id)
        if head is None:
            return Cold()
        place = (event.room_id, event.subject)
        told = self.revisions.get(place, 0)
        if event.revision < told:
            return Stale(told)
        self.revisions[place] = event.revision
        head.offset += 1
        if intent is not None:
            self.forget(intent)
        frame = event.head + str(head.offset).encode() + event.tail
        header = f"event {head.epoch} {head.offset} 1 {event.name} {event.subject} {event.revision}\n{event.cut}\n"
        if event.is_for_servers:
            asked_by = "memory" if token else "-"
            self.told.append(MembersChange(event.room_id, event.cut, token, asked_by, list(event.told), frame))
        self._log(event.room_id, header.encode() + frame)
        return Appended(head.epoch, head.offset, 1, token)

    # RoomLog

    def read(self, room_id: str, epoch: str = "", offset: int = 0) -> LogRead:
        self.before_read()
        found = self._read(room_id, epoch, offset)
        self.after_read()
        if self.fault is not None:
            raise self.fault
        return found

    def newest(self, room_id: str, offset: int) -> list[bytes]:
        if self.fault is not None:
            raise self.fault
        logged = zip(self.logs.get(room_id, ()), self.payloads.get(room_id, ()), strict=True)
        return [payload for events, payload in logged if events.first_offset <= offset][::-1]

    def positions(self, room_ids: Sequence[str]) -> list[tuple[str, int]]:
        if self.fault is not None:
            raise self.fault
        heads = [self.heads.get(room_id) for room_id in room_ids]
        return [("", 0) if head is None else (head.epoch, head.offset) for head in heads]

    def warm(
        self,
        room_id: str,
        last_seq: int,
        sent: Sequence[tuple[str, str, int, str]],
        removed: Collection[int] = (),
    ) -> LogRead:
        for sender_id, temp_id, seq, epoch in sent:
            self.dedupe.setdefault((room_id, sender_id, temp_id), Fate("confirmed", seq, epoch))
        if room_id not in self.heads:
            last = max([last_seq, *self.outbox.get(room_id, ())])
            self.heads[room_id] = Head(new_epoch(), last)
            self.logs[room_id], self.payloads[room_id] = [], []
        return self.read(room_id)

    def fates(self, room_id: str, sent: Sequence[tuple[str, str]]) -> list[Fate]:
        if self.fault is not None:
            raise self.fault
        return [self.dedupe.get((room_id, *each), Fate("unknown")) for each in sent]

    def waiting(self, room_id: str, seqs: Collection[int]) -> dict[int, OutboxMessage]:
        if self.fault is not None:
            raise self.fault
        return {seq: each for seq, each in self.outbox.get(room_id, {}).items() if seq in seqs}

    def _read(self, room_id: str, epoch: str, offset: int) -> LogRead:
        head = self.heads.get(room_id)
        if head is None:
            return LogRead("cold")
        at = (head.epoch, head.offset, head.seq)
        if epoch == "":
            return LogRead("position", *at)
        if epoch != head.epoch:
            return LogRead("foreign", *at)
        if offset > head.offset:
            return LogRead("ahead", *at)
        kept = [
            (events, payload)
            for events, payload in zip(self.logs[room_id], self.payloads[room_id], strict=True)
            if events.first_offset > offset
        ]
        if offset < head.offset and (not kept or kept[0][0].first_offset != offset + 1):
            return LogRead("trimmed", *at)
        shown = {each.seq for events, _ in kept if events.kind == "new" for each in events.origins}
        waiting = frozenset(shown & self.outbox.get(room_id, {}).keys())
        return LogRead("complete", *at, tuple(payload for _, payload in kept), waiting)

    def _log(self, room_id: str, payload: bytes) -> None:
        events = read_room(room_id, payload)
        assert isinstance(events, RoomEvents)
        self.logs.setdefault(room_id, []).append(events)
        self.payloads.setdefault(room_id, []).append(payload)
        del self.logs[room_id][: -self.log_length], self.payloads[room_id][: -self.log_length]
        self.published.append((room_id, payload))
