"""All that the HTTP side does, gathered from the modules whose routes do it."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

from chat.gateway import metrics
from chat.gateway.rest import (
    dead_letters,
    descriptions,
    dev,
    devices,
    me,
    members,
    messages,
    openapi,
    pins,
    presence,
    probes,
    push_choices,
    reading,
    revocations,
    rooms,
    threads,
    tickets,
)
from chat.gateway.rest.operations import Operation

MODULES = (
    *(rooms, members, messages, threads, pins, reading, presence, me, devices, push_choices),
    *(tickets, revocations, dead_letters, descriptions, probes, metrics),
)


def operations(*, is_dev: bool) -> tuple[Operation, ...]:
    """Return every operation of a server, those of dev mode only where it is on."""
    modules = (*MODULES, dev) if is_dev else MODULES
    return tuple(each for module in modules for each in _of(module))


@cache
def openapi_document(*, is_dev: bool) -> dict[str, Any]:
    """Return the OpenAPI document of a server."""
    return openapi.document(operations(is_dev=is_dev))


def _of(module: ModuleType) -> list[Operation]:
    return [each for each in vars(module).values() if isinstance(each, Operation)]
