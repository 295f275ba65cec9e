from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from flask import Flask

from chat.errors import InvalidRequest
from chat.gateway import catalogue
from chat.gateway.rest.bodies import read_body
from chat.gateway.rest.messages import NewMessage
from chat.gateway.rest.rooms import RoomName
from chat.protocol.spelling import other_spelling

APP = Flask(__name__)
BODIES = sorted(
    {each.body for each in catalogue.operations(is_dev=True) if each.body}, key=lambda each: each.__name__
)
VALUES: dict[str, Any] = {"read_receipts": False, "kind": "fcm", "quiet_hours": None}  # these take no word


def read(kind: type, body: bytes, **options: Any) -> Any:
    with APP.test_request_context("/", method="POST", data=body):
        return read_body(kind, **options)


@pytest.mark.parametrize("kind", BODIES, ids=lambda each: each.__name__)
def test_every_name_of_every_body_is_taken_in_camel_case(kind: Any) -> None:
    required = {each.encode_name: each.encode_name for each in msgspec.structs.fields(kind) if each.required}
    full = required | {name: name for name in kind.__struct_encode_fields__ if other_spelling(name) != name}
    snake = {name: VALUES.get(name, value) for name, value in full.items()}
    camel = {other_spelling(name): value for name, value in snake.items()}
    found = read(kind, json.dumps(snake).encode())
    assert all(getattr(found, name) == value for name, value in snake.items())
    assert read(kind, json.dumps(camel).encode()) == found


def test_the_declared_name_counts_when_both_are_there() -> None:
    body = b'{"content":"hi","tempId":"camel","temp_id":"snake","unknown":{"a":[1]}}'
    assert read(NewMessage, body).temp_id == "snake"


@pytest.mark.parametrize(
    ("kind", "body", "field", "mend"),
    [
        (NewMessage, b"", "body", 'empty; send {"content", "temp_id"'),
        (NewMessage, b"content=hi", "body", "as JSON"),
        (NewMessage, b"[1]", "body", "as JSON"),
        (NewMessage, b'{"tempId":', "body", "as JSON"),
        (NewMessage, b'{"tempId":"t"}', "content", "missing"),
        (NewMessage, b'{"content":"hi","tempId":"a b"}', "temp_id", "A-Z a-z"),
        (NewMessage, b'{"content":7}', "content", "Expected `str`"),
        (RoomName, b'{"name":"  "}', "name", "blank"),
        (RoomName, b"[" * 50_000, "body", "as JSON"),
    ],
)
def test_the_field_and_a_mend_are_named(kind: type, body: bytes, field: str, mend: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(kind, body)
    assert refused.value.field == field
    assert mend in refused.value.message


def test_a_body_may_be_left_out_where_it_may() -> None:
    assert read(RoomName, b"", without=b'{"name":"x"}').name == "x"
    with pytest.raises(InvalidRequest) as refused:
        read(RoomName, b"", field="name")
    assert refused.value.field == "name"
