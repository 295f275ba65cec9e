"""What a route takes and answers, as one record beside it: it registers the route, and the OpenAPI document and the
tests read the same record.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from flask import Blueprint, Response

View = TypeVar("View", bound=Callable[..., Response])
Text = tuple[str, ...]  # the media types of an answer that is no JSON

API = "/api/"
_PARAMETER = re.compile(r"<(\w+)>")


@dataclass(frozen=True)
class Operation:
    """One method of one path. `answers` has a type by status, None where nothing is in the body, or media types.

    `refusals` are the statuses of problems besides those that every operation of its kind has.
    """

    method: str
    path: str  # as Flask writes it
    name: str
    about: str
    answers: Mapping[int, Any]
    body: type | None = None
    is_body_optional: bool = False
    query: type | None = None
    refusals: tuple[int, ...] = ()
    is_open: bool = False  # for those without a token too

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Return the names in the path."""
        return tuple(_PARAMETER.findall(self.path))

    @cached_property
    def template(self) -> str:
        """Return the path as OpenAPI writes it."""
        return _PARAMETER.sub(r"{\1}", self.path)

    @cached_property
    def problems(self) -> tuple[int, ...]:
        """Return every status that is answered with a problem."""
        found = {500, *self.refusals}
        if self.path.startswith(API):
            found |= {401, 429, 503}  # a wrong token is refused also where none is needed
        if self.body or self.query or self.parameters:
            found.add(400)
        if self.body:
            found |= {408, 413}
        return tuple(sorted(found - self.answers.keys()))

    def on(self, routes: Blueprint) -> Callable[[View], View]:
        """Return the decorator of the function that answers it."""
        return routes.route(self.path, methods=[self.method])
