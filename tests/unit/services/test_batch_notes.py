"""Between storing and confirming a batch is noted; what can't be noted is not confirmed."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from chat.broker.base import OutboxEntry, OutboxMessage
from chat.services.batch_notes import BatchNotes
from chat.services.settle import Pending, Settled, Stored
from chat.store.base import Outcome, SetPaths, Unavailable, Write, Written


class MemoryStore:
    """Takes all writes but those to the named kinds."""

    def __init__(self, *away: str) -> None:
        self.away = away
        self.fault = Unavailable("down")
        self.writes: list[SetPaths] = []

    def write_many(self, writes: Sequence[Write]) -> list[Outcome]:
        self.writes += [each for each in writes if isinstance(each, SetPaths)]
        return [self.fault if each.kind in self.away else Written(1) for each in writes]


class Scene:
    """One drain's notes, and whose replies are to be counted."""

    def __init__(self, *away: str) -> None:
        self.store = MemoryStore(*away)
        self.marked: list[str] = []
        store: Any = self.store
        self.naming: dict[str, int] = {}
        self.notes = BatchNotes(store, self._mark, self._name)

    def _name(self, newest: Mapping[str, int]) -> None:
        assert self.store.writes, "noted first: who counts in between would rule it out"
        self.naming |= newest

    def _mark(self, parents: Collection[str]) -> None:
        assert self.store.writes, "noted first: a count from before would be too low, and nobody would count again"
        self.marked += parents


def stored(seq: int, **members: Any) -> Stored:
    message = OutboxMessage("r", "e", seq, "ann", f"t{seq}", 0, b"")
    body = json.dumps({"room_id": "r", "seq": seq, **members}, separators=(",", ":")).encode()
    return Stored(Pending(OutboxEntry(0, f"{seq}-0", "r", "e", seq, (message,)), message), body)


def settled(*messages: Stored) -> Settled:
    return Settled(list(messages), [], [])


def test_a_batch_in_which_nobody_answers_costs_nothing() -> None:
    scene = Scene()
    batch = settled(stored(4), stored(5, reply_to=None, metadata={}))
    assert scene.notes(batch) is batch
    assert (scene.store.writes, scene.marked, scene.notes.taken()) == ([], [], False)


def test_a_parent_is_written_and_marked_once_for_a_batch() -> None:
    scene = Scene()
    batch = settled(*(stored(seq, reply_to="r.3.e") for seq in range(4, 9)))
    assert scene.notes(batch) == batch
    assert [len(each.sets) for each in scene.store.writes] == [5]
    assert scene.marked == ["r.3.e"]
    assert (scene.notes.taken(), scene.notes.taken()) == (True, False)


def test_the_newest_message_that_names_anybody_is_told_behind_the_notes() -> None:
    scene = Scene()
    named = {"mentions": ["bob"]}
    scene.notes(settled(stored(4, metadata=named), stored(6, metadata=named), stored(7, metadata={"mentions": []})))
    assert scene.naming == {"r": 6}


def test_only_what_is_not_noted_waits() -> None:
    scene = Scene("thread")
    plain, named = stored(4), stored(5, metadata={"mentions": ["bob"]})
    reply = stored(6, reply_to="r.3.e")
    found = scene.notes(settled(plain, named, reply))
    assert (found.stored, found.waiting) == ([plain, named], [reply.pending])


def test_what_an_operator_has_to_mend_is_told_with_the_messages_that_wait_for_it() -> None:
    scene = Scene("thread")
    scene.store.fault = Unavailable("a collection is missing", is_misconfigured=True)
    found = scene.notes(settled(stored(6, reply_to="r.3.e")))
    assert (found.stored, found.turned_away) == ([], "a collection is missing")


def test_a_rooms_newest_messages_are_noted_again_as_well_as_can_be() -> None:
    for away in ((), ("mentions",)):
        scene = Scene(*away)
        bodies = [stored(4).body, stored(5, reply_to="r.3.e").body, stored(6, deleted_at="now").body]
        scene.notes.newest(bodies)
        assert [sorted(each.sets) for each in scene.store.writes] == [[("replies", "5")], [("gone", "6")]]
        assert scene.marked == ["r.3.e"]
