"""The WebSocket's events as an AsyncAPI 3 document, made from the records that decode and describe them."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args

import msgspec

from chat.protocol import codec, told

VERSION = "1.0.0"  # of the protocol: its first number changes when an old client would break
ADDRESS = "/ws"
_REF = "#/components/schemas/{name}"
_ABOUT = (
    "One JSON object a text frame. The server answers a request that has an `ack` with the event `ack`, and tells"
    " an `error` where one without it could not be done. Names are taken in both spellings, `roomId` and `room_id`."
)


@cache
def document() -> dict[str, Any]:
    """Return the document; it is always the same."""
    received, sent = get_args(codec.Command), get_args(told.Event)
    schemas = msgspec.json.schema_components((*received, *sent), ref_template=_REF)[1]
    directions = [("client", "receive", each) for each in received] + [("server", "send", each) for each in sent]
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Real-time chat", "version": VERSION, "description": _ABOUT},
        "defaultContentType": "application/json",
        "channels": {
            "chat": {
                "address": ADDRESS,
                "messages": {_name(who, each): _to("messages", _name(who, each)) for who, _, each in directions},
            }
        },
        "operations": {_name(who, each): _operation(who, action, each) for who, action, each in directions},
        "components": {
            "messages": {_name(who, each): _message(each) for who, _, each in directions},
            "schemas": _as_json_schema(schemas),
        },
    }


def _name(who: str, record: type) -> str:
    return f"{who}.{_event(record)}"


def _event(record: Any) -> str:
    return str(record.__struct_config__.tag)


def _to(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _operation(who: str, action: str, record: type) -> dict[str, Any]:
    place = f"#/channels/chat/messages/{_name(who, record)}"
    return {"action": action, "channel": {"$ref": "#/channels/chat"}, "messages": [{"$ref": place}]}


def _message(record: type) -> dict[str, Any]:
    about = {"summary": record.__doc__} if record.__doc__ and not record.__doc__.startswith(record.__name__) else {}
    return {"name": _event(record), **about, "payload": _to("schemas", record.__name__)}


def _as_json_schema(value: Any) -> Any:
    """Return the schema with patterns as ECMA 262 has them: Python's anchors mean the letters A and Z there."""
    if isinstance(value, dict):
        return {
            name: inner.replace(r"\A", "^").replace(r"\Z", "$") if name == "pattern" else _as_json_schema(inner)
            for name, inner in value.items()
        }
    return [_as_json_schema(each) for each in value] if isinstance(value, list) else value
