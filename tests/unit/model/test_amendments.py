from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.model.amendments import deleted, edited, reacted, state_of, with_reaction, without_reaction

BODY = (
    b'{"id":"room456.7.abcd1234","seq":7,"room_id":"room456","sender_id":"ann","sender_name":"Ann",'
    b'"content":"hi","temp_id":"t1","created_at":"2026-01-31T12:00:00.000Z","reply_to":null,'
    b'"attachments":[{"id":"a1"}],"metadata":{"big":123456789012345678901234567890},'
    b'"edited_at":null,"deleted_at":null,"reactions":{}}'
)
AT = "2026-01-31T12:05:00.000Z"


def test_only_content_and_time_change_when_a_message_is_edited() -> None:
    before, after = json.loads(BODY), json.loads(edited(BODY, "ho", AT))
    assert after == {**before, "content": "ho", "edited_at": AT, "revision": 1}


def test_members_stay_in_their_order_and_byte_for_byte_when_others_change() -> None:
    after = edited(BODY, "ho", AT)
    assert after.startswith(b'{"id":"room456.7.abcd1234","seq":7,"room_id":"room456",')
    assert b'{"big":123456789012345678901234567890}' in after


def test_nothing_that_was_said_is_left_when_a_message_is_deleted() -> None:
    after = json.loads(deleted(reacted(BODY, {"👍": ["bob"]}), AT))
    assert (after["content"], after["attachments"], after["metadata"], after["reactions"]) == ("", [], {}, {})
    assert (after["deleted_at"], after["sender_id"], after["seq"], after["revision"]) == (AT, "ann", 7, 2)


@given(st.lists(st.sampled_from(["edit", "delete", "react"]), max_size=8))
def test_revision_counts_the_amendments_whatever_they_are(steps: list[str]) -> None:
    body = BODY
    for step in steps:
        if step == "edit":
            body = edited(body, "x", AT)
        elif step == "delete":
            body = deleted(body, AT)
        else:
            body = reacted(body, {"👍": ["bob"]})
    assert state_of(body).revision == len(steps)


@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from("👍❤😀"), st.sampled_from(["ann", "bob", "cid"])), max_size=30
    )
)
def test_reactions_are_who_reacted_and_did_not_take_it_back(steps: list[tuple[bool, str, str]]) -> None:
    reactions: dict[str, list[str]] = {}
    truth: set[tuple[str, str]] = set()
    for is_added, emoji, user_id in steps:
        if is_added and (emoji, user_id) not in truth:
            reactions = with_reaction(reactions, emoji, user_id)
            truth.add((emoji, user_id))
        elif not is_added:
            reactions = without_reaction(reactions, emoji, user_id)
            truth.discard((emoji, user_id))
    assert {(emoji, user) for emoji, users in reactions.items() for user in users} == truth
    assert all(reactions.values())


@pytest.mark.parametrize("emoji", ["👍", "❤"])
def test_those_given_stay_untouched_when_one_is_added(emoji: str) -> None:
    given_before = {"👍": ["ann"]}
    assert with_reaction(given_before, emoji, "bob")[emoji][-1] == "bob"
    assert given_before == {"👍": ["ann"]}
