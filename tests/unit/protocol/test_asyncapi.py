from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import jsonschema
import msgspec
import pytest

from chat.errors import InvalidRequest
from chat.protocol import asyncapi, codec, commands, results
from chat.protocol.fields import Either
from chat.protocol.spelling import other_spelling

OFFICIAL = Path(__file__).parents[2] / "node/node_modules/@asyncapi/specs/schemas/3.0.0-without-$id.json"

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
    assert place


@pytest.mark.parametrize("name", sorted(DOCUMENT["components"]["schemas"]))
def test_every_schema_is_one(name: str) -> None:
    schema = DOCUMENT["components"]["schemas"][name]
    meta = jsonschema.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA)
    assert [each.message for each in meta.iter_errors(schema)] == []


def operations(action: str) -> dict[str, str]:
    """Return the operations of one direction by the message that they are about."""
    found = {name: each for name, each in DOCUMENT["operations"].items() if each["action"] == action}
    return {each["messages"][0]["$ref"].rpartition("/")[2]: name for name, each in found.items()}


def test_the_document_is_one_by_the_schema_of_its_authors() -> None:
    if not OFFICIAL.exists():
        pytest.skip("tests/node has no packages; `make test` installs them where there is npm")
    schema = json.loads(OFFICIAL.read_text())
    faults = jsonschema.Draft7Validator(schema).iter_errors(DOCUMENT)
    assert [f"{each.json_path}: {each.message[:200]}" for each in faults] == []


def test_every_command_of_the_decoder_is_described() -> None:
    assert operations("receive").keys() == {f"client.{event}" for event in commands.EVENTS}
    assert operations("receive")["client.join-chat-rooms"] == "joinChatRooms"
    assert operations("send")["server.new-chat-message"] == "onNewChatMessage"


@pytest.mark.parametrize("name", sorted(DOCUMENT["operations"]))
def test_every_operation_says_what_it_is_for(name: str) -> None:
    assert DOCUMENT["operations"][name]["summary"].endswith((".", "`."))


@pytest.mark.parametrize("event", commands.EVENTS)
def test_every_command_is_answered_by_its_result_or_a_refusal(event: str) -> None:
    reply = DOCUMENT["operations"][operations("receive")[f"client.{event}"]]["reply"]
    answer, refusal = (each["$ref"].rpartition("/")[2] for each in reply["messages"])
    assert (answer, refusal) == (f"server.ack.{event}", "server.refused")
    payload = DOCUMENT["components"]["messages"][answer]["payload"]["$ref"].rpartition("/")[2]
    command = next(each for each in results.RESULTS if asyncapi.event_of(each) == event)
    assert payload == f"Answer_{results.RESULTS[command].__name__}_"


def test_answer_and_refusal_are_told_apart() -> None:
    done = {"event": "ack", "data": {"ack": 1, "ok": True, "result": {"roomIds": ["r"]}}}
    refused = {
        "event": "ack",
        "data": {"ack": 1, "ok": False, "error": {"code": "x", "message": "x", "field": None}},
    }
    for frame, fitting in ((done, ["Answer_Left_"]), (refused, ["Refusal"])):
        assert [
            name for name in ("Answer_Left_", "Answer_Sent_", "Refusal") if validator(name).is_valid(frame)
        ] == (fitting)


@pytest.mark.parametrize("command", asyncapi.commands(), ids=asyncapi.event_of)
def test_a_name_in_two_spellings_is_wanted_in_one_when_it_can_not_be_null(command: type) -> None:
    data = next(each.type for each in msgspec.structs.fields(command) if each.name == "data")
    declared = {name for each in vars(data).values() if isinstance(each, Either) for name in each.names}
    names = {each.name: each for each in msgspec.structs.fields(data)}
    pairs = {name for name in names if other_spelling(name) in names and other_spelling(name) != name}
    wanted = {name for name in pairs if type(None) not in get_args(names[name].type)}
    assert wanted <= declared <= names.keys()


def test_close_codes_are_told() -> None:
    told = DOCUMENT["channels"]["chat"]["x-close-codes"]
    assert {each["code"]: each["retry"] for each in told}.items() >= {4003: True, 4500: False}.items()


@pytest.mark.parametrize(
    ("frame", "is_taken"),
    [
        ({"event": "send-chat-message", "data": {"roomId": "r", "content": "hi"}, "ack": 1}, True),
        ({"event": "send-chat-message", "data": {"room_id": "r", "content": "hi"}}, True),
        ({"event": "send-chat-message", "data": {"roomId": "a b", "content": "hi"}}, False),
        ({"event": "send-chat-message", "data": {"roomId": "r/", "content": "hi"}}, False),
        ({"event": "send-chat-message", "data": {"roomId": "r"}}, False),
        ({"event": "send-chat-message", "data": {"content": "hi"}}, False),
    ],
)
def test_schema_and_decoder_agree(frame: dict[str, Any], is_taken: bool) -> None:
    try:
        command = codec.decode(json.dumps(frame).encode())
        assert isinstance(command, commands.Send)
        assert command.data.room
    except (codec.Refused, InvalidRequest):
        assert not is_taken
    else:
        assert is_taken
    assert validator("Send").is_valid(frame) == is_taken
