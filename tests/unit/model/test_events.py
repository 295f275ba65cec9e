from __future__ import annotations

import json

import pytest

from chat.model import events
from chat.model.message import MessageFailure

MEMBERS = b'"content":"\xc3\xa9 \\",\\"_temp\\":true","metadata":{"a":[1,",\\""]}'
FRAME = (
    b'{"event":"new-chat-message","data":{"_temp":true,"confirm_by":"2023-11-14T22:13:30Z","offset":9,'
    b'"id":"r.7.abcdefgh","seq":7,' + MEMBERS + b"}}"
)
MESSAGE = {"id": "r.7.abcdefgh", "seq": 7, "content": 'é ","_temp":true', "metadata": {"a": [1, ',"']}}


def test_the_document_is_the_message_when_composed():
    assert json.loads(events.document("r.7.abcdefgh", 7, MEMBERS)) == MESSAGE


@pytest.mark.parametrize(("mark", "is_temp"), [(events.durable_message, False), (events.temp_message, True)])
def test_a_message_says_whether_it_is_stored_when_shown(mark, is_temp):
    body = events.document("r.7.abcdefgh", 7, MEMBERS)
    assert json.loads(mark(body)) == {"_temp": is_temp, **MESSAGE}


def test_a_new_frame_is_durable_when_it_is_replayed_after_its_confirmation():
    shown = json.loads(events.new_frame_made_durable(FRAME))
    assert shown == {"event": "new-chat-message", "data": {"_temp": False, "offset": 9, **MESSAGE}}


def test_a_new_frame_is_unchanged_when_it_is_durable_already():
    durable = events.new_frame_made_durable(FRAME)
    assert events.new_frame_made_durable(durable) == durable


def test_the_message_is_found_when_a_new_frame_holds_it():
    assert json.loads(events.message_of_new_frame(FRAME)) == {"_temp": False, "offset": 9, **MESSAGE}


def test_the_sender_is_told_all_when_its_message_is_confirmed():
    message = events.durable_message(events.document("r.7.abcdefgh", 7, MEMBERS))
    assert json.loads(events.confirmed_frame("t1", "r.7.abcdefgh", message)) == {
        "event": "message-confirmed",
        "data": {"tempId": "t1", "realId": "r.7.abcdefgh", "message": {"_temp": False, **MESSAGE}},
    }


def test_a_new_frame_is_what_the_script_publishes_when_composed_here():
    made = events.new_frame("r", 7, "abcdefgh", 9, "2023-11-14T22:13:30Z", MEMBERS)
    assert made == FRAME


def test_the_sender_is_told_why_when_its_message_failed():
    frame = events.failed_frame("t1", "r", MessageFailure("refused", 'too "large"', retryable=True))
    assert json.loads(frame) == {
        "event": "message-failed",
        "data": {
            "tempId": "t1",
            "roomId": "r",
            "error": {"code": "refused", "message": 'too "large"', "retryable": True},
        },
    }


@pytest.mark.parametrize(
    ("without", "seqs"),
    [
        (None, [9, 10, 11, 12]),
        ("ann", [10, 12]),
        ("bob", [9, 11, 12]),
        ("cid", [9, 10, 11]),
        ("dan", [9, 10, 11, 12]),
    ],
)
def test_the_others_numbers_are_told_when_a_batch_is_confirmed(without, seqs):
    batch = events.BatchConfirmed("r", [(9, "ann"), (10, "bob"), (11, "ann"), (12, "cid")])
    assert set(batch.senders) == {"ann", "bob", "cid"}
    assert json.loads(batch.frame(without)) == {
        "event": "messages-confirmed",
        "data": {"roomId": "r", "seqs": seqs},
    }


def test_there_is_nothing_to_tell_when_the_whole_batch_is_the_senders_own():
    assert events.BatchConfirmed("r", [(9, "ann"), (10, "ann")]).frame("ann") == b""
