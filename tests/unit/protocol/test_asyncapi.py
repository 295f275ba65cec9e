from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from chat.protocol import asyncapi, codec

DOCUMENT: dict[str, Any] = json.loads(json.dumps(asyncapi.document()))


def validator(schema: str) -> jsonschema.Draft202012Validator:
    root = {"$ref": f"#/components/schemas/{schema}", "components": DOCUMENT["components"]}
    return jsonschema.Draft202012Validator(root)


def refs(value: Any) -> list[str]:
    if isinstance(value, dict):
        inner = [each for name, each in value.items() if name != "$ref"]
        own = [value["$ref"]] if "$ref" in value else []
        return own + [ref for each in inner for ref in refs(each)]
    return [ref for each in value for ref in refs(each)] if isinstance(value, list) else []


@pytest.mark.parametrize("ref", sorted(set(refs(DOCUMENT))))
def test_every_reference_leads_somewhere(ref: str) -> None:
    place = DOCUMENT
    for name in ref.removeprefix("#/").split("/"):
        place = place[name]


@pytest.mark.parametrize("name", sorted(DOCUMENT["components"]["schemas"]))
def test_every_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(DOCUMENT["components"]["schemas"][name])


def test_every_command_of_the_decoder_is_described() -> None:
    described = {name.removeprefix("client.") for name in DOCUMENT["operations"] if name.startswith("client.")}
    assert described == set(codec.EVENTS)
    assert all(DOCUMENT["operations"][f"client.{event}"]["action"] == "receive" for event in codec.EVENTS)


@pytest.mark.parametrize(
    ("frame", "is_taken"),
    [
        ({"event": "send-chat-message", "data": {"roomId": "r", "content": "hi"}, "ack": 1}, True),
        ({"event": "send-chat-message", "data": {"room_id": "r", "content": "hi"}}, True),
        ({"event": "send-chat-message", "data": {"roomId": "a b", "content": "hi"}}, False),
        ({"event": "send-chat-message", "data": {"roomId": "r/", "content": "hi"}}, False),
        ({"event": "send-chat-message", "data": {"roomId": "r"}}, False),
    ],
)
def test_schema_and_decoder_agree(frame: dict[str, Any], is_taken: bool) -> None:
    try:
        codec.decode(json.dumps(frame).encode())
    except codec.Refused:
        assert not is_taken
    else:
        assert is_taken
    assert validator("Send").is_valid(frame) == is_taken
