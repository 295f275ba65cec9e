from __future__ import annotations

import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import InvalidRequest
from chat.model.ids import is_id
from chat.model.mentions import MENTIONS_LIMIT
from chat.services.drafting import ATTACHMENT_LIMIT, DEPTH_LIMIT, Drafting, Outgoing

DRAFTING = Drafting(content_limit_bytes=100, give_up_s=300)


def members(outgoing: Outgoing, name: str = "Ann") -> dict:
    return json.loads(b"{" + DRAFTING.draft(outgoing, "ann", name).members + b"}")


def refused(outgoing: Outgoing) -> str | None:
    with pytest.raises(InvalidRequest) as caught:
        DRAFTING.draft(outgoing, "ann", "Ann")
    return caught.value.field


def nested(depth: int) -> dict:
    value: dict = {"a": 1}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


def test_a_draft_holds_all_but_id_and_seq_when_made():
    attachments = [{"url": "https://files.example/x"}]
    made = DRAFTING.draft(Outgoing("r", "hi", "t1", "r.3.e1", attachments, {"k": 1}), "ann", "Ann")
    assert (made.room_id, made.sender_id, made.temp_id) == ("r", "ann", "t1")
    assert json.loads(b"{" + made.members + b"}") == {
        "room_id": "r",
        "sender_id": "ann",
        "sender_name": "Ann",
        "content": "hi",
        "temp_id": "t1",
        "created_at": datetime.fromtimestamp(
            made.accepted_ms / 1000, tz=datetime.fromisoformat(made.confirm_by).tzinfo
        )
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z"),
        "reply_to": "r.3.e1",
        "attachments": attachments,
        "metadata": {"k": 1},
        "edited_at": None,
        "deleted_at": None,
        "reactions": {},
    }


def test_a_message_is_confirmed_by_the_time_it_would_be_given_up_when_accepted():
    made = DRAFTING.draft(Outgoing("r", "hi"), "ann", "Ann")
    assert datetime.fromisoformat(made.confirm_by).timestamp() * 1000 == made.accepted_ms + 300_000


@pytest.mark.parametrize("temp_id", [None, ""])
def test_a_temp_id_is_made_when_the_client_has_none(temp_id):
    made = [DRAFTING.draft(Outgoing("r", "hi", temp_id), "ann", "Ann").temp_id for _ in range(100)]
    assert len(set(made)) == 100
    assert all(is_id(each) for each in made)


@given(st.text(min_size=1, max_size=25), st.text(min_size=1, max_size=20))
def test_a_draft_is_one_line_of_json_when_the_content_is_anything(content, name):
    if content.isspace():
        return
    made = DRAFTING.draft(Outgoing("r", content), "ann", name)
    assert b"\n" not in made.members
    assert members(Outgoing("r", content), name)["content"] == content


@pytest.mark.parametrize("content", ["", " ", "\n\t", "\u3000"])
def test_empty_content_is_refused_when_nothing_is_attached(content):
    assert refused(Outgoing("r", content)) == "content"
    assert members(Outgoing("r", content, attachments=[{"url": "https://files.example/x"}]))["content"] == content


@pytest.mark.parametrize(
    ("content", "is_taken"),
    [
        ("x" * 100, True),
        ("x" * 101, False),
        ("é" * 50, True),
        ("é" * 51, False),
        ("😀" * 25, True),
        ("😀" * 26, False),
        (" " * 101, False),
    ],
)
def test_content_is_limited_in_bytes_when_it_is_long(content, is_taken):
    outgoing = Outgoing("r", content, attachments=[{"url": "https://files.example/x"}])
    if is_taken:
        assert members(outgoing)["content"] == content
    else:
        assert refused(outgoing) == "content"


@pytest.mark.parametrize("reply_to", ["r", "", "other.3.e1", "r.x.e1", "r.3.", "x" * 200])
def test_a_reply_is_refused_when_it_names_no_message_of_the_room(reply_to):
    assert refused(Outgoing("r", "hi", reply_to=reply_to)) == "reply_to"


@pytest.mark.parametrize("attachments", [[{"id": "x"}] * (ATTACHMENT_LIMIT + 1), [{"id": "a", "a": "x" * 8192}]])
def test_attachments_are_refused_when_they_are_too_many_or_too_large(attachments):
    assert refused(Outgoing("r", "hi", attachments=attachments)) == "attachments"
    assert len(members(Outgoing("r", "hi", attachments=[{"id": "x"}] * ATTACHMENT_LIMIT))["attachments"]) == 10


def test_metadata_is_refused_when_it_is_too_large():
    assert refused(Outgoing("r", "hi", metadata={"a": "x" * 4096})) == "metadata"
    assert members(Outgoing("r", "hi", metadata={"a": "x" * 4000}))["metadata"]["a"]


def test_metadata_is_refused_when_it_is_nested_so_deep_that_a_reader_might_fail():
    assert members(Outgoing("r", "hi", metadata=nested(DEPTH_LIMIT)))["metadata"]
    for depth in (DEPTH_LIMIT + 1, 5000):
        assert refused(Outgoing("r", "hi", metadata=nested(depth))) == "metadata"
    assert refused(Outgoing("r", "hi", attachments=[nested(5000)])) == "attachments"


def test_whole_numbers_of_any_size_are_kept_when_they_are_in_metadata():
    assert members(Outgoing("r", "hi", metadata={"n": 10**30}))["metadata"] == {"n": 10**30}


def test_a_draft_shows_all_whom_it_names_when_text_and_metadata_do():
    made = members(Outgoing("r", "@bob and @cleo", metadata={"mentions": ["dan", "bob"], "k": 1}))
    assert made["metadata"] == {"mentions": ["dan", "bob", "cleo"], "k": 1}
    assert members(Outgoing("r", "nobody"))["metadata"] == {}
    assert members(Outgoing("r", "nobody", metadata={"mentions": []}))["metadata"] == {"mentions": []}


def test_a_draft_names_a_bounded_number_of_users_when_a_text_has_more():
    drafting = Drafting(content_limit_bytes=1000, give_up_s=300)
    draft = drafting.draft(Outgoing("r", " ".join(f"@u{n}" for n in range(70))), "ann", "Ann")
    made = json.loads(b"{" + draft.members + b"}")
    assert made["metadata"]["mentions"] == [f"u{n}" for n in range(MENTIONS_LIMIT)]


@pytest.mark.parametrize("mentions", [None, "bob", ["b b"], [7], {"bob": 1}, ["u"] * (MENTIONS_LIMIT + 1)])
def test_a_draft_is_refused_when_its_mentions_are_no_users(mentions):
    assert refused(Outgoing("r", "hi", metadata={"mentions": mentions})) == "metadata"
