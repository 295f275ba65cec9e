"""The HTTP API as an OpenAPI 3.1 document, made from the operations' records and the types that decode bodies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

import msgspec

from chat.gateway.rest.operations import API, Operation
from chat.gateway.rest.problems import Problem
from chat.model.ids import ID_PATTERN
from chat.protocol.spelling import as_ecma, in_both_spellings, other_spelling

VERSION = "1.0.0"  # of the API: its first number changes when an old client would break
JSON, PROBLEM = "application/json", "application/problem+json"
_REF = "#/components/schemas/{name}"
_ABOUT = (
    "Names are snake_case; camelCase is taken too, in bodies and addresses. Errors are problem details (RFC 9457):"
    " `title` is the error's code, `field` names what to mend."
)
_ID = {"type": "string", "pattern": f"^{ID_PATTERN}$"}
_TEXT = {"type": "string"}
PATH_SCHEMAS: dict[str, Any] = {
    **dict.fromkeys(("room_id", "user_id", "device_id"), _ID),
    **dict.fromkeys(("message_id", "letter_id"), _TEXT),
}
HEADERS: dict[int, Any] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string", "const": "Bearer"}}},
    429: {"Retry-After": {"description": "in seconds", "schema": {"type": "integer", "minimum": 1}}},
}

Json = dict[str, Any]


def document(operations: Iterable[Operation]) -> Json:
    """Return the document of these operations."""
    every = tuple(operations)
    paths: Json = {}
    schemas = _schemas(every)
    for each in every:
        paths.setdefault(each.template, {})[each.method.lower()] = _described(each, schemas)
    for each in every:
        if each.query is not None:  # its members are told one by one
            schemas.pop(each.query.__name__, None)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Real-time chat", "version": VERSION, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _schemas(operations: tuple[Operation, ...]) -> Json:
    found: Json = as_ecma(msgspec.json.schema_components(list(_types(operations)), ref_template=_REF)[1])
    for body in {each.body for each in operations if each.body}:
        found[body.__name__] = in_both_spellings(found[body.__name__])
    return found


def _types(operations: tuple[Operation, ...]) -> Iterator[Any]:
    yield Problem
    for each in operations:
        yield from (kind for kind in each.answers.values() if _is_json(kind))
        yield from (kind for kind in (each.body, each.query) if kind is not None)


def _is_json(answer: Any) -> bool:
    return answer is not None and not isinstance(answer, tuple)


def _described(operation: Operation, schemas: Json) -> Json:
    described: Json = {
        "operationId": operation.name,
        "summary": operation.about,
        "tags": [_tag(operation)],
        "parameters": [*_in_path(operation), *_in_query(operation, schemas)],
        "responses": {
            **{str(status): _answer(status, kind) for status, kind in operation.answers.items()},
            **{str(status): _problem(status) for status in operation.problems},
        },
    }
    if operation.body is not None:
        content = {JSON: {"schema": _schema(operation.body)}}
        described["requestBody"] = {"required": not operation.is_body_optional, "content": content}
    return described | ({"security": [{}]} if operation.is_open else {})


def _tag(operation: Operation) -> str:
    is_api = operation.path.startswith(API)
    return operation.path.split("/")[3] if is_api else "operations"


def _in_path(operation: Operation) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": PATH_SCHEMAS[name]}
        for name in operation.parameters
    ]


def _in_query(operation: Operation, schemas: Json) -> Iterator[Json]:
    schema = schemas[operation.query.__name__] if operation.query else {}
    for name, declared in schema.get("properties", {}).items():
        about = _without_null(declared)
        told: Json = {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": about}
        if (other := other_spelling(name)) != name:
            told["description"] = f"`{other}` is taken too"
        if about.get("type") == "array":
            told |= {"style": "form", "explode": False}
        yield told


def _without_null(schema: Json) -> Json:
    """Return the schema of a parameter, which is left out where a member would be null."""
    kinds = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else schema


def _answer(status: int, kind: Any) -> Json:
    told: Json = {"description": HTTPStatus(status).phrase}
    if isinstance(kind, tuple):
        told["content"] = {media_type: {"schema": {"type": "string"}} for media_type in kind}
    elif kind is not None:
        told["content"] = {JSON: {"schema": _schema(kind)}}
    return told


def _problem(status: int) -> Json:
    told: Json = {"description": HTTPStatus(status).phrase, "content": {PROBLEM: {"schema": _schema(Problem)}}}
    return told | ({"headers": HEADERS[status]} if status in HEADERS else {})


def _schema(kind: Any) -> Any:
    return as_ecma(msgspec.json.schema_components((kind,), ref_template=_REF)[0][0])
