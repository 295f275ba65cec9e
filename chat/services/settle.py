"""After a batch was settled, each of its messages is stored, failed for good, or still waits.

Before: the drain took it from the outbox. After: the drain confirms, retracts or tries again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from chat.broker.base import CONFLICT as CONFLICT_CODE
from chat.broker.base import OutboxEntry, OutboxMessage
from chat.model.cursor import Cursor, cursor_key
from chat.model.events import document
from chat.model.ids import message_id
from chat.model.message import MessageFailure, message_key
from chat.services.cursors import Pair, Untaken, insert_missing, store_cursors
from chat.store.base import (
    Exists,
    Insert,
    Kind,
    Missing,
    Outcome,
    Raise,
    Refused,
    Store,
    Unavailable,
    Written,
)

CONFLICT = MessageFailure(CONFLICT_CODE, "another message has this one's number; send it again", True)
REFUSED = MessageFailure("refused", "the store does not take this message", False)
log = logging.getLogger(__name__)


class _Identity(msgspec.Struct):
    id: str = ""


_identity = msgspec.json.Decoder(_Identity)


class Pending(NamedTuple):
    """A message that waits to be stored, in the outbox entry that keeps it."""

    entry: OutboxEntry
    message: OutboxMessage


class Stored(NamedTuple):
    """A message that is durable, and its document as the store has it."""

    pending: Pending
    body: bytes


class Failed(NamedTuple):
    """A message that will never be stored."""

    pending: Pending
    failure: MessageFailure


class Settled(NamedTuple):
    """What became of a batch; `waiting` is to be tried again.

    `turned_away` says what an operator has to mend before the store takes them, empty when time alone may do.
    `unknown_rooms` have messages and no document: the store has lost it, and with it perhaps much more.
    """

    stored: list[Stored]
    failed: list[Failed]
    waiting: list[Pending]
    turned_away: str = ""
    unknown_rooms: tuple[str, ...] = ()


def settle(store: Store, batch: Sequence[Pending]) -> Settled:
    """Store a batch, the last seq of its rooms, and how far its senders have read, in one round trip.

    A sender's first message in a room takes a second one, which makes the cursor. While the store can't take a
    room's last seq or a sender's cursor, their messages wait.
    """
    bodies = [_body_of(each.message) for each in batch]
    inserts = [
        Insert(Kind.MESSAGE, message_key(each.message.room_id, each.message.seq), body)
        for each, body in zip(batch, bodies, strict=True)
    ]
    raises = list(_raises(batch))
    sent = _sent(batch)
    moved = [Raise(Kind.CURSOR, cursor_key(*pair), "read_seq", each.read_seq) for pair, each in sent.items()]
    outcomes = store.write_many([*inserts, *raises, *moved])
    raised = list(zip(raises, outcomes[len(inserts) :], strict=False))  # behind them are the cursors' outcomes
    held_back = {each.key for each, outcome in raised if isinstance(outcome, Unavailable)}
    unmoved = _not_moved(store, sent, outcomes[len(inserts) + len(raises) :])
    turned_away = next(filter(None, (*_to_mend(outcomes), *unmoved.values())), "")
    settled = Settled([], [], [], turned_away, _unknown_rooms(raised))
    for each, body, outcome in zip(batch, bodies, outcomes, strict=False):
        message = each.message
        if message.room_id in held_back or (message.room_id, message.sender_id) in unmoved:
            settled.waiting.append(each)
        else:
            _sort(settled, each, body, outcome)
    return settled


def id_of(body: bytes) -> str:
    """Return the id of a stored message."""
    return _identity.decode(body).id


def _sort(settled: Settled, each: Pending, body: bytes, outcome: Outcome) -> None:
    match outcome:
        case Written():
            settled.stored.append(Stored(each, body))
        case Exists(found) if id_of(found) == id_of(body):
            settled.stored.append(Stored(each, found))  # ours from an earlier try, perhaps edited since
        case Exists():
            settled.failed.append(Failed(each, CONFLICT))
        case Refused(reason):
            where = {"room": each.message.room_id, "seq": each.message.seq}
            log.error("message-refused", extra={**where, "reason": reason})
            settled.failed.append(Failed(each, REFUSED))
        case _:
            settled.waiting.append(each)


def _body_of(message: OutboxMessage) -> bytes:
    return document(message_id(message.room_id, message.seq, message.epoch), message.seq, message.members)


def _to_mend(outcomes: Sequence[Outcome]) -> Iterator[str]:
    return (each.to_mend for each in outcomes if isinstance(each, Unavailable))


def _raises(batch: Sequence[Pending]) -> Iterator[Raise]:
    """Raise each room's last seq also over messages that fail: their number was seen and stays taken."""
    last: dict[str, int] = {}
    for _, message in batch:
        last[message.room_id] = max(last.get(message.room_id, 0), message.seq)
    for room_id, seq in last.items():
        yield Raise(Kind.ROOM, room_id, "last_seq", seq)


def _sent(batch: Sequence[Pending]) -> dict[Pair, Cursor]:
    """Return up to where senders have read by sending: a batch raises each one's cursor once."""
    last: dict[Pair, int] = {}
    for _, message in batch:
        pair = message.room_id, message.sender_id
        last[pair] = max(last.get(pair, 0), message.seq)
    return {pair: Cursor(read_seq=seq) for pair, seq in last.items()}


def _not_moved(store: Store, sent: Mapping[Pair, Cursor], outcomes: Sequence[Outcome]) -> Untaken:
    """Make the cursors that were missing; return those that the store could not take yet.

    Their messages wait too: a stored message of one's own is never counted as unread, whatever Redis loses.
    """
    told = list(zip(sent, outcomes, strict=True))
    missing = {pair for pair, outcome in told if isinstance(outcome, Missing)}
    met = insert_missing(store, sent, missing)
    again = store_cursors(store, {pair: sent[pair] for pair in met}) if met else {}
    return again | {pair: outcome.to_mend for pair, outcome in told if isinstance(outcome, Unavailable)}


def _unknown_rooms(raised: Sequence[tuple[Raise, Outcome]]) -> tuple[str, ...]:
    """Return the rooms that have no document, whose messages are stored all the same."""
    for each, outcome in raised:
        if isinstance(outcome, Refused):
            log.warning("last-seq-not-raised", extra={"room": each.key, "reason": outcome.reason})
    return tuple(each.key for each, outcome in raised if isinstance(outcome, Missing))
