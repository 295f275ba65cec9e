"""The WebSocket's events as an AsyncAPI 3 document, made from the records that decode and describe them."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args

import msgspec

from chat.protocol import told
from chat.protocol.close_codes import CLOSE_CODES
from chat.protocol.commands import Command
from chat.protocol.connection_events import Ack
from chat.protocol.fields import Either
from chat.protocol.results import RESULTS, Answer, Refusal
from chat.protocol.spelling import as_ecma, other_spelling, require_one_of

VERSION = "1.0.0"  # of the protocol: its first number changes when an old client would break
ADDRESS = "/ws"
CHANNEL = {"$ref": "#/channels/chat"}
REFUSED = "server.refused"
_REF = "#/components/schemas/{name}"
_ABOUT = (
    "One JSON object a text frame. The server answers a request that has an `ack` with the event `ack`, and tells"
    " an `error` where one without it could not be done. Names are taken in both spellings, `roomId` and `room_id`."
    " A token comes as `Authorization: Bearer …`, as the subprotocol pair `chat.v1, bearer.<jwt>`, as a single-use"
    " `?ticket=`, or as a first frame `authenticate`."
)
_TICKET = {"type": "string", "description": "a ticket of POST /api/v1/ws-ticket, for clients without headers"}

Json = dict[str, Any]


@cache
def document() -> Json:
    """Return the document; it is always the same."""
    messages = _messages()
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Real-time chat", "version": VERSION, "description": _ABOUT},
        "defaultContentType": "application/json",
        "channels": {"chat": _channel(messages)},
        "operations": _operations(),
        "components": {"messages": messages, "schemas": _schemas()},
    }


def commands() -> tuple[type, ...]:
    """Return the records of what a client may send."""
    return get_args(Command)


def events() -> tuple[type, ...]:
    """Return the records of what the server tells unasked; answers are described command by command."""
    return tuple(each for each in get_args(told.Event) if each is not Ack)


def event_of(record: Any) -> str:
    """Return the name of a record's event."""
    return str(record.__struct_config__.tag)


def _channel(messages: Json) -> Json:
    query = {"type": "object", "properties": {"ticket": _TICKET}}
    return {
        "address": ADDRESS,
        "description": "The root, /, takes a WebSocket too.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"ws": {"method": "GET", "query": query, "bindingVersion": "0.1.0"}},
        "x-close-codes": [
            {"code": each.code, "description": each.about, "retry": each.is_retried} for each in CLOSE_CODES
        ],
    }


def _messages() -> Json:
    received = {f"client.{event_of(each)}": _message(event_of(each), each) for each in commands()}
    sent = {f"server.{event_of(each)}": _message(event_of(each), each) for each in events()}
    answers = {_answer_to(each): _message("ack", _answer(each), RESULTS[each].__doc__) for each in commands()}
    return {**received, **sent, **answers, REFUSED: _message("ack", Refusal)}


def _message(event: str, record: Any, about: str | None = None) -> Json:
    schema = msgspec.json.schema_components((record,), ref_template=_REF)[0][0]
    return {"name": event, **_summary(about or record.__doc__ or ""), "payload": schema}


def _summary(docstring: str) -> Json:
    """Return the sentence of a record, nothing for one that has only what msgspec writes by itself."""
    return {} if not docstring or "(" in docstring.split(" ")[0] else {"summary": docstring.partition("\n")[0]}


def _answer(command: type) -> Any:
    generic: Any = Answer
    return generic[RESULTS[command]]


def _answer_to(command: type) -> str:
    return f"server.ack.{event_of(command)}"


def _operations() -> Json:
    received = {_id(event_of(each)): _request(each) for each in commands()}
    return {**received, **{_id(f"on-{event_of(each)}"): _telling(each) for each in events()}}


def _id(name: str) -> str:
    snake = name.replace("-", "_")
    return other_spelling(snake) if "_" in snake else snake


def _request(command: type) -> Json:
    answers = [_in_channel(_answer_to(command)), _in_channel(REFUSED)]
    return {
        "action": "receive",
        "channel": CHANNEL,
        "messages": [_in_channel(f"client.{event_of(command)}")],
        **_summary(command.__doc__ or ""),
        "reply": {"channel": CHANNEL, "messages": answers},
    }


def _telling(event: type) -> Json:
    messages = [_in_channel(f"server.{event_of(event)}")]
    return {"action": "send", "channel": CHANNEL, "messages": messages, **_summary(event.__doc__ or "")}


def _in_channel(message: str) -> Json:
    return {"$ref": f"#/channels/chat/messages/{message}"}


def _schemas() -> Json:
    records = (*commands(), *events(), *map(_answer, commands()), Refusal)
    schemas = msgspec.json.schema_components(records, ref_template=_REF)[1]
    for command in commands():
        data = next(each.type for each in msgspec.structs.fields(command) if each.name == "data")
        groups = [each.names for each in vars(data).values() if isinstance(each, Either)]
        schemas[data.__name__] = require_one_of(schemas[data.__name__], groups)
    described: Json = as_ecma(schemas)
    return described
