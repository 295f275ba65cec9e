"""What stored messages say about others (whom they answer, whom they name) is written down in documents by blocks.

Notes only add, so they may be repeated and come in any order: a message that is noted as deleted stays so, whoever
notes it as sent afterwards.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from chat.model.ids import MessageRef
from chat.model.mentions import mentions_key
from chat.model.threads import parent_of, thread_key
from chat.store.base import Exists, Insert, JsonPath, Kind, Missing, Outcome, SetPaths, Store, Unavailable

TRIES = 3  # a document is missing, is made by somebody else, and is there
Place = tuple[Kind, str]
Sets = dict[JsonPath, object]


class _Metadata(msgspec.Struct):
    mentions: Any = None


class Said(msgspec.Struct):
    """The parts of a stored message that concern others."""

    room_id: str
    seq: int
    reply_to: str | None = None
    deleted_at: str | None = None
    metadata: _Metadata | None = None

    @property
    def parent(self) -> MessageRef | None:
        """The message that it answers."""
        return parent_of(self.room_id, self.seq, self.reply_to)

    @property
    def named(self) -> list[str]:
        """The users whom it names, as they were checked when it was sent."""
        found = self.metadata.mentions if self.metadata else None
        return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


class Notes(NamedTuple):
    """What is to be written down: parts of documents; whose threads have changed; each room's newest that names."""

    sets: dict[Place, Sets]
    parents: set[MessageRef]
    naming: dict[str, int]


_said = msgspec.json.Decoder(Said)


def is_telling(body: bytes) -> bool:
    """Tell at a glance whether a message may answer or name anybody; most do not. It is as `Drafting` wrote it."""
    return b'"reply_to":"' in body or b'"mentions":[' in body


def said_by(body: bytes) -> Said | None:
    """Read a stored message; None for one of another form."""
    try:
        return _said.decode(body)
    except msgspec.DecodeError:
        return None


def notes_of(messages: Iterable[Said]) -> Notes:
    """Return what these messages say, or, of deleted ones, that they are gone."""
    notes = Notes(defaultdict(dict), set(), {})
    for each in messages:
        seq = str(each.seq)
        if (parent := each.parent) is not None:
            notes.parents.add(parent)
            notes.sets[Kind.THREAD, thread_key(parent, each.seq)]["gone" if each.deleted_at else "replies", seq] = 1
        place = Kind.MENTIONS, mentions_key(each.room_id, each.seq)
        if each.deleted_at:  # the tombstone does not say whom it named
            notes.sets[place]["gone", seq] = 1
        elif named := each.named:
            notes.sets[place]["seqs", seq] = named
            notes.naming[each.room_id] = max(each.seq, notes.naming.get(each.room_id, 0))
    return notes


def write_down(store: Store, sets: Mapping[Place, Sets]) -> dict[Place, str]:
    """Write notes down in one round trip, and one more for documents that are new; return what has to wait.

    With it what an operator has to mend before, empty when time alone may do. Never raises; what the store refuses
    for good is no loss of a message, and is let go.
    """
    waiting = dict(sets)
    unavailable: dict[Place, str] = {}
    for _ in range(TRIES):
        if not waiting:
            break
        writes = [SetPaths(kind, key, paths) for (kind, key), paths in waiting.items()]
        told = list(zip(waiting, store.write_many(writes), strict=True))
        unavailable |= _unavailable(told)
        missing = [place for place, outcome in told if isinstance(outcome, Missing)]
        inserts = [Insert(kind, key, _document(waiting[kind, key])) for kind, key in missing]
        made = list(zip(missing, store.write_many(inserts), strict=True)) if missing else []
        unavailable |= _unavailable(made)
        waiting = {place: waiting[place] for place, outcome in made if isinstance(outcome, Exists)}
    return unavailable | dict.fromkeys(waiting.keys() - unavailable.keys(), "")


def _unavailable(told: Iterable[tuple[Place, Outcome]]) -> dict[Place, str]:
    return {place: outcome.to_mend for place, outcome in told if isinstance(outcome, Unavailable)}


def _document(paths: Sets) -> bytes:
    fields: dict[str, dict[str, object]] = defaultdict(dict)
    for (outer, inner), value in paths.items():
        fields[outer][inner] = value
    return msgspec.json.encode(fields)
