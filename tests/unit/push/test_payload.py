import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.push import apns, fcm, webpush
from chat.push.base import NoticeKind
from chat.push.payload import ELLIPSIS, UNNAMED_TITLE, shortened, text_of
from tests.support.push.notices import notice

FACTS = ("kind", "roomId", "messageId", "seq", "unread", "collapse")
LIMITS = {
    "webpush": (webpush.payload_of, 3000),
    "apns": (apns.payload_of, 4096),
    "fcm": (lambda told: fcm.message_of("token", told, 0), 4096),
}


def facts_in(name: str, payload: bytes) -> dict[str, object]:
    told = json.loads(payload)
    return told["message"]["data"] if name == "fcm" else told


def body_in(name: str, payload: bytes) -> str:
    told = json.loads(payload)
    within = {
        "webpush": lambda: told,
        "apns": lambda: told["aps"]["alert"],
        "fcm": lambda: told["message"]["notification"],
    }
    return within[name]()["body"]


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("kind", NoticeKind)
def test_every_payload_carries_the_facts(name, kind):
    facts = facts_in(name, LIMITS[name][0](notice(kind=kind, seq=7, unread=3)))
    told = {member: facts[member] for member in FACTS}
    assert told | {"seq": 7, "unread": 3} == {
        "kind": kind,
        "roomId": "room456",
        "messageId": "m1",
        "seq": 7,
        "unread": 3,
        "collapse": notice().collapse,
    }
    assert (told["seq"], told["unread"]) == (("7", "3") if name == "fcm" else (7, 3))


@pytest.mark.parametrize("name", LIMITS)
@given(
    title=st.text(max_size=300),
    body=st.one_of(
        st.text(alphabet=st.characters(codec=None), max_size=6000),
        st.text(alphabet='"\\\x00\x1f👨‍👩‍👧é\ud800', min_size=500, max_size=4000),
    ),
)
def test_no_payload_is_over_its_limit(name, title, body):
    make, limit = LIMITS[name]
    payload = make(notice(title=title, body=body))
    assert len(payload) <= limit
    json.loads(payload)


@pytest.mark.parametrize("name", LIMITS)
def test_a_long_body_fills_what_there_is_and_ends_in_an_ellipsis(name):
    make, limit = LIMITS[name]
    payload = make(notice(body="äöü€" * 5000))
    assert limit - 200 < len(payload) <= limit
    body = body_in(name, payload)
    assert body.endswith(ELLIPSIS)
    assert ("äöü€" * 5000).startswith(body.removesuffix(ELLIPSIS))


@pytest.mark.parametrize("name", LIMITS)
def test_a_short_body_stays_whole(name):
    assert body_in(name, LIMITS[name][0](notice(body="Grüße 👋"))) == "Grüße 👋"


def test_a_long_title_is_shortened_when_nothing_else_is_left():
    told = json.loads(webpush.payload_of(notice(title="t" * 9000, body="b" * 9000)))
    assert told["body"] == ""
    assert told["title"].endswith(ELLIPSIS)


@pytest.mark.parametrize(
    ("text", "length", "cut"),
    [
        ("hello world", 5, "hello…"),
        ("hello world", 6, "hello…"),  # no blank before the ellipsis
        ("cafe\u0301 noir", 4, "caf…"),  # an accent stays with its letter
        ("ab👨\u200d👩\u200d👧cd", 3, "ab…"),  # a family is one character
        ("ab👨\u200d👩\u200d👧cd", 4, "ab…"),
        ("ab👨\u200d👩\u200d👧cd", 7, "ab👨\u200d👩\u200d👧…"),
        ("hi👋🏽", 3, "hi…"),  # a hand keeps its colour
        ("❤\ufe0f❤\ufe0f", 3, "❤\ufe0f…"),
        ("a" + "\u0301" * 100, 50, "a" + "\u0301" * 33 + "…"),  # no end to look for in what never ends
    ],
)
def test_no_character_is_cut_apart(text, length, cut):
    assert shortened(text, length) == cut


def test_something_is_shown_when_contents_are_left_out():
    assert text_of(notice(title="", body="")) == {"title": UNNAMED_TITLE, "body": ""}
    assert text_of(notice(title="", body="b")) == {"title": "", "body": "b"}


def test_a_notice_that_clears_has_no_text():
    told = notice(kind=NoticeKind.CLEAR, title="Ann", body="secret")
    for make, _ in LIMITS.values():
        assert b"Ann" not in make(told)
        assert b"secret" not in make(told)
    assert json.loads(apns.payload_of(told))["aps"] == {"content-available": 1}
    assert "notification" not in json.loads(fcm.message_of("t", told, 0))["message"]
