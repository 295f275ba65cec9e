from __future__ import annotations

import msgspec
import pytest

from chat.model.room import RoomRecord, RoomType
from chat.push.base import COLLAPSE_LIMIT
from chat.services.push_text import PushMessage, collapse_of, notice_id, text_of


def message(content="hello", **more):
    known = {"id": "r1.1.e", "seq": 1, "sender_id": "ann", "sender_name": "Ann", "content": content}
    return msgspec.json.decode(msgspec.json.encode(known | more), type=PushMessage)


def room(name=None, room_type=RoomType.GROUP):
    return RoomRecord("r1", room_type, name, "", "ann")


def test_a_direct_room_is_named_after_who_writes():
    assert text_of(message(), room("x", RoomType.DIRECT), 1, "full") == ("Ann", "hello")


def test_a_room_is_named_where_it_has_a_name():
    assert text_of(message(), room("Plans"), 1, "full").title == "Ann in Plans"
    assert text_of(message(sender_name=""), room(), 1, "full").title == "ann"


@pytest.mark.parametrize(("unread", "body"), [(0, "hello"), (1, "hello"), (2, "hello\n+1 more")])
def test_it_is_told_how_much_more_is_unread(unread, body):
    assert text_of(message(), room(), unread, "full").body == body


@pytest.mark.parametrize(
    ("attachments", "body"),
    [
        ([{"name": "a.jpg"}], "Attachment: a.jpg"),
        ([{"type": "image/png"}, {"url": "u"}], "Attachments: image/png, file"),
        ([{"name": f"{n}"} for n in range(5)], "Attachments: 0, 1, 2 and 2 more"),
        ([], ""),
    ],
)
def test_attachments_are_named_when_there_is_no_text(attachments, body):
    assert text_of(message(" ", attachments=attachments), room(), 1, "full").body == body


def test_long_texts_are_cut_and_lines_joined():
    told = text_of(message("a\n b " * 200, sender_name="A" * 200), room(), 1, "full")
    assert (len(told.title), len(told.body)) == (100, 300)
    assert told.body.startswith("a b a b")
    assert told.body.endswith("…")


@pytest.mark.parametrize(
    ("content", "unread", "text"),
    [
        ("sender", 1, ("Ann in Plans", "New message")),
        ("sender", 3, ("Ann in Plans", "3 new messages")),
        ("none", 1, ("New message", "")),
        ("none", 3, ("3 new messages", "")),
    ],
)
def test_what_is_said_stays_in_the_house_when_contents_are_left_out(content, unread, text):
    assert text_of(message("secret"), room("Plans"), unread, content) == text


def test_mentions_are_found_in_the_metadata():
    named = message(metadata={"mentions": ["bob"], "other": {"x": 1}})
    assert named.names("bob")
    assert not named.names("cleo")
    assert not message().names("bob")


def test_a_room_has_one_collapse_key_that_every_provider_takes():
    assert collapse_of("r1") == collapse_of("r1") != collapse_of("r2")
    assert len(collapse_of("r1")) == COLLAPSE_LIMIT
    assert set(collapse_of("r1")) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


def test_each_try_has_the_same_id_and_each_device_another():
    assert notice_id("m1", "d1") == notice_id("m1", "d1")
    assert len({notice_id("m1", "d1"), notice_id("m1", "d2"), notice_id("m2", "d1")}) == 3
