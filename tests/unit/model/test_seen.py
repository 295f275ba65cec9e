"""The frame of `messages-seen` names what was newly seen, whatever was published of it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.model.ids import message_id
from chat.model.seen import SeenTold, read_seen
from chat.protocol.told import MessagesSeen

ROOM = "room456"
MS = 1_700_000_000_000
EPOCHS = [(1, "aaaaaaaa"), (4, "bbbbbbbb")]


def ids(told: SeenTold) -> list[str]:
    frame: Any = msgspec.json.decode(told.frame(ROOM), type=MessagesSeen)
    return list(frame.data.messageIds)


def test_the_frame_is_told_byte_for_byte_when_messages_are_seen():
    assert SeenTold("bob", 2, 5, MS, EPOCHS, frozenset({4})).frame(ROOM) == (
        b'{"event":"messages-seen","data":{"roomId":"room456","userId":"bob","upToSeq":5,'
        b'"messageIds":["room456.5.bbbbbbbb","room456.3.aaaaaaaa"],"seenAt":"2023-11-14T22:13:20.000Z"}}'
    )


@pytest.mark.parametrize(
    ("words", "epochs", "removed"),
    [
        ("1:aaaaaaaa 4:bbbbbbbb 4", EPOCHS, {4}),
        (" 4:bbbbbbbb", [(4, "bbbbbbbb")], set()),
        ("1:12345678 3 4 5", [(1, "12345678")], {3, 4, 5}),
        ("", [], set()),
        (" 4", [], {4}),
    ],
)
def test_the_words_are_read_when_they_are_published(words, epochs, removed):
    assert read_seen(f"seen b.o-b_ 2 5 {MS} {words}") == SeenTold("b.o-b_", 2, 5, MS, epochs, frozenset(removed))


@st.composite
def sightings(draw: Any) -> SeenTold:
    """Return marks near to the bounds on what is named, in rooms with some epochs and removed numbers."""
    up_to = draw(st.integers(1, 2500))
    shown = draw(st.integers(0, up_to - 1) | st.integers(max(0, up_to - 1002), up_to - 1))
    number = st.integers(1, up_to + 5)
    starts = sorted(draw(st.lists(number, max_size=4)))
    epochs = [(start, f"epoch{place}") for place, start in enumerate(starts)]
    removed = draw(st.sets(number, max_size=30))
    first, length = draw(number), draw(st.integers(0, 1500))
    return SeenTold("bob", shown, up_to, MS, epochs, frozenset(removed | {*range(first, first + length)}))


@given(sightings())
def test_the_newest_200_of_the_newest_1000_are_named_but_those_that_stand_for_nothing(told):
    def epoch_of(seq: int) -> str | None:
        return next((epoch for start, epoch in reversed(told.epochs) if start <= seq), None)

    expected = []
    for seq in range(told.up_to_seq, max(told.shown_seq, told.up_to_seq - 1000), -1):
        epoch = epoch_of(seq)
        if epoch is not None and seq not in told.removed:
            expected.append(message_id(ROOM, seq, epoch))
    assert ids(told) == expected[:200]


@pytest.mark.parametrize(
    ("shown", "removed", "named"),
    [
        (0, range(0), 200),
        (1800, range(0), 200),
        (1801, range(0), 199),
        (0, range(1101, 2001), 100),
        (1999, [2000], 0),
    ],
)
def test_as_many_are_named_as_were_newly_seen_up_to_200(shown, removed, named):
    assert len(ids(SeenTold("bob", shown, 2000, MS, [(1, "aaaaaaaa")], frozenset(removed)))) == named


def test_the_frame_has_no_line_feed_when_nothing_is_named():
    frame = SeenTold("bob", 0, 3, MS, []).frame(ROOM)
    assert b"\n" not in frame
    assert json.loads(frame)["data"]["messageIds"] == []
