from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.model.ids import MessageRef, is_id, message_id, new_epoch, parse_message_id

IDS = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True)


@pytest.mark.parametrize("text", ["a", "A-b_c.9", "..", "-", "x" * 64])
def test_an_id_is_taken_when_its_characters_and_length_are_allowed(text):
    assert is_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 65,
        "a b",
        "a:b",
        "{a}",
        "a\n",
        "\n",
        "é",
        "\u0661",
        "a/b",
        "a*",
        "\ud800",
        None,
        7,
        b"a",
        ["a"],
    ],
)
def test_an_id_is_refused_when_it_could_break_a_key(text):
    assert not is_id(text)


def test_epochs_differ_when_made_again():
    made = {new_epoch() for _ in range(1000)}
    assert len(made) == 1000
    assert all(
        len(each) == 8 and each.isascii() and each.isalnum() and each.islower()
        for each in made
        if not each.isdigit()
    )


@given(room_id=IDS, seq=st.integers(1, 10**15 - 1))
def test_a_message_id_says_what_it_was_made_of_when_parsed(room_id, seq):
    epoch = new_epoch()
    assert parse_message_id(message_id(room_id, seq, epoch)) == MessageRef(room_id, seq, epoch)


@pytest.mark.parametrize(
    "text",
    [
        *("", "room", "room.1", ".1.abcdefgh", "room.x.abcdefgh", "room.-1.abcdefgh", "room.1.", "room..abc"),
        *("ro om.1.abcdefgh", "room.1.abc-efgh", "room.\u0661.abcdefgh", "room.²" + ".abcdefgh"),
        *("room." + "1" * 16 + ".abcdefgh", "x" * 65 + ".1.abcdefgh"),
    ],
)
def test_a_message_id_is_refused_when_it_is_not_one_of_ours(text):
    assert parse_message_id(text) is None


@given(st.text(max_size=40))
def test_a_parsed_message_id_holds_only_safe_parts_when_anything_is_parsed(text):
    ref = parse_message_id(text)
    assert ref is None or (is_id(ref.room_id) and is_id(ref.epoch) and ref.seq >= 0)
