from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from flask import Flask, g

from chat.errors import InvalidRequest, Unauthenticated
from chat.gateway.identity import Identity
from chat.gateway.rest import reading
from chat.protocol.codec import Id

APP = Flask(__name__, static_folder=None)


class Wanted(msgspec.Struct):
    room: Id
    count: Annotated[int, msgspec.Meta(ge=1)] = 1


def read_body(text: bytes) -> Wanted:
    with APP.test_request_context("/", data=text):
        return reading.body(Wanted)


def read_query(text: str) -> Wanted:
    with APP.test_request_context("/?" + text):
        return reading.query(Wanted)


def test_a_record_is_read_from_body_and_query_alike() -> None:
    assert read_body(b'{"room":"r","count":3}') == read_query("room=r&count=3") == Wanted("r", 3)


@pytest.mark.parametrize(
    ("read", "text", "field"),
    [
        (read_body, b"{}", "room"),
        (read_body, b'{"room":"a b"}', "room"),
        (read_body, b'{"room":"r","count":0}', "count"),
        (read_body, b'{"room":"r","count":"3"}', "count"),
        (read_body, b"", "body"),
        (read_body, b"[]", "body"),
        (read_body, b'{"room":"\xff"}', "body"),
        (read_body, b'{"a":' * 100_000, "body"),
        (read_query, "", "room"),
        (read_query, "room=r&count=x", "count"),
        (read_query, "room=r&count=", "count"),
        (read_query, "room=r&room=s", "room"),
        (read_query, "room=%00", "room"),
    ],
)
def test_the_field_is_named_when_something_is_wrong(read: Any, text: Any, field: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read(text)
    assert raised.value.field == field


def test_who_asks_is_known_or_told_to_say_so() -> None:
    with APP.test_request_context("/"):
        g.identity = None
        with pytest.raises(Unauthenticated, match="reading needs a token"):
            reading.required_identity("reading")
        g.identity = Identity("ann", "Ann")
        assert reading.required_identity("reading").user_id == "ann"
