from __future__ import annotations

from typing import Annotated, Any

import jsonschema
import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from chat.gateway.rest import openapi
from chat.gateway.rest.operations import Operation
from chat.protocol.fields import Id


class Wanted(msgspec.Struct):
    """What is wanted."""

    user_id: Id
    why: str | None = None


class Found(msgspec.Struct, forbid_unknown_fields=True):
    """What was found."""

    count: int


class Query(msgspec.Struct, rename="camel"):
    """What is asked for."""

    user_ids: list[Id]
    limit: Annotated[int, msgspec.Meta(ge=1, le=9)] | None = None


PUT = Operation("PUT", "/api/v1/rooms/<room_id>", "putIt", "Put it", {200: Found}, body=Wanted, refusals=(409,))
GET = Operation("GET", "/api/v1/rooms/<room_id>", "getIt", "Get it", {204: None}, query=Query)
TEXT = Operation("GET", "/text", "getText", "Text", {200: ("text/plain",)}, is_open=True)
DOCUMENT: dict[str, Any] = openapi.document([PUT, GET, TEXT])
ROOM = DOCUMENT["paths"]["/api/v1/rooms/{room_id}"]


def test_the_document_is_one() -> None:
    assert [str(each) for each in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []
    assert set(DOCUMENT["components"]["schemas"]) == {"Problem", "Wanted", "Found"}


def test_numbers_lists_and_spellings_of_a_query_are_told() -> None:
    (room, users, limit) = ROOM["get"]["parameters"]
    assert (room["in"], room["required"], room["schema"]["pattern"]) == ("path", True, "^[A-Za-z0-9_.-]{1,64}$")
    assert (users["name"], users["required"], users["explode"]) == ("userIds", True, False)
    assert "user_ids" in users["description"]
    assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": 9}
    assert limit["required"] is False


@pytest.mark.parametrize(
    ("body", "is_taken"),
    [({"user_id": "a"}, True), ({"userId": "a", "why": None}, True), ({}, False), ({"userId": "a b"}, False)],
)
def test_a_body_is_described_in_both_spellings(body: object, is_taken: bool) -> None:
    schema = ROOM["put"]["requestBody"]["content"]["application/json"]["schema"]
    validator = jsonschema.Draft202012Validator({**schema, "components": DOCUMENT["components"]})
    assert validator.is_valid(body) == is_taken


def test_answers_and_problems_are_told_by_status() -> None:
    assert set(ROOM["put"]["responses"]) == {"200", "400", "401", "408", "409", "413", "429", "500", "503"}
    assert "content" not in ROOM["get"]["responses"]["204"]
    assert "Retry-After" in ROOM["put"]["responses"]["429"]["headers"]
    assert list(ROOM["put"]["responses"]["409"]["content"]) == ["application/problem+json"]
    text = DOCUMENT["paths"]["/text"]["get"]
    assert (list(text["responses"]["200"]["content"]), text["security"]) == (["text/plain"], [{}])
    assert "security" not in ROOM["put"]
