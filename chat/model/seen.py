"""What tells a room that somebody has seen something is made here, of the little that `mark_seen.lua` publishes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import filterfalse, islice
from typing import NamedTuple

from chat.model.clock import rfc3339

NAMED = 200  # ids in one frame: `upToSeq` is the truth
LOOKED_AT = 1000  # the newest of the newly seen numbers: none before them is named


class SeenTold(NamedTuple):
    """Somebody has seen a room's messages up to one."""

    user_id: str
    shown_seq: int  # up to where the room had been told before
    up_to_seq: int
    seen_ms: int
    epochs: list[tuple[int, str]]  # from which number on each gave the numbers, ascending
    removed: frozenset[int] = frozenset()  # of the numbers that are looked at: they stand for no message

    def frame(self, room_id: str) -> bytes:
        """Return `messages-seen`; nothing in it needs an escape, since ids were checked and the rest is our own."""
        return b'{"event":"messages-seen","data":{"roomId":"%b","userId":"%b","upToSeq":%d,%b,"seenAt":"%b"}}' % (
            room_id.encode(),
            self.user_id.encode(),
            self.up_to_seq,
            b'"messageIds":[%b]' % b",".join(self._names(room_id)),
            rfc3339(self.seen_ms).encode(),
        )

    def _names(self, room_id: str) -> Iterator[bytes]:
        """Yield the ids, newest first, those that one epoch gave in one text."""
        first, last, left = max(self.shown_seq, self.up_to_seq - LOOKED_AT) + 1, self.up_to_seq, NAMED
        for start, epoch in reversed(self.epochs):
            span = range(last, max(start, first) - 1, -1)
            seqs = tuple(islice(filterfalse(self.removed.__contains__, span), left))
            if seqs:
                # The loop waits for this: one formatting of 200 takes half the time of 200 and a join.
                name = f'"{room_id}.%d.{epoch}"'.encode()
                yield b",".join([name] * len(seqs)) % seqs
            left, last = left - len(seqs), min(last, start - 1)
            if not left or last < first:
                break


def read_seen(payload: str) -> SeenTold:
    """Read `seen USER SHOWN_SEQ UP_TO_SEQ MS FROM:EPOCH … REMOVED_SEQ …`."""
    _, user_id, shown_seq, up_to_seq, seen_ms, *numbering = payload.split()
    runs = [run.split(":") for run in filterfalse(str.isdecimal, numbering)]
    removed = frozenset(map(int, filter(str.isdecimal, numbering)))
    epochs = [(int(start), epoch) for start, epoch in runs]
    return SeenTold(user_id, int(shown_seq), int(up_to_seq), int(seen_ms), epochs, removed)
