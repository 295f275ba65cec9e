"""`/api/v1/admin/dead-letters`: what was given up, for operators to look at, to try again or to drop."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from flask import Blueprint, Response

from chat.gateway.dead_letters import SEPARATOR, Letter, LetterDesk
from chat.gateway.rest.admins import require_admin
from chat.gateway.rest.bodies import answer, no_content
from chat.gateway.rest.operations import Operation
from chat.gateway.rest.queries import read_query
from chat.protocol.shapes import Time

LETTERS = "/api/v1/admin/dead-letters"
LETTER = f"{LETTERS}/<letter_id>"
PAGE = 50
PAGE_LIMIT = 200

LetterKind = Literal["message", "push"]


class LettersQuery(msgspec.Struct, frozen=True):
    """Of which kind, how many, and after which: `next` of the answer before."""

    kind: LetterKind | None = None
    cursor: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_LIMIT)] = PAGE


class LetterTold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that was given up, why and when; `details` say what it is, in the terms of its kind."""

    id: str
    kind: LetterKind
    code: str
    text: str
    failed_at: Time
    details: dict[str, Any]


class LetterList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Dead letters, the oldest of each kind and shard first; `next` leads to the others."""

    dead_letters: list[LetterTold]
    next: str | None


class Redriven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What came of a letter that was tried again."""

    id: str
    outcome: str


LIST = Operation(
    "GET",
    LETTERS,
    "listDeadLetters",
    "What was given up; needs a token with admin: true",
    {200: LetterList},
    query=LettersQuery,
    refusals=(403,),
)
REDRIVE = Operation(
    "POST",
    f"{LETTER}/redrive",
    "redriveDeadLetter",
    "Try again what was given up; needs a token with admin: true",
    {200: Redriven},
    refusals=(403, 404, 409),
)
DROP = Operation(
    "DELETE",
    LETTER,
    "dropDeadLetter",
    "Remove a dead letter for good; needs a token with admin: true",
    {204: None},
    refusals=(403, 404),
)


def blueprint(desk: LetterDesk) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("dead_letters", __name__)

    @LIST.on(routes)
    def listed() -> Response:
        require_admin("looking at dead letters")
        asked = read_query(LettersQuery)
        page = desk.page(asked.kind, asked.cursor or "", asked.limit)
        return answer({"dead_letters": [_told(*each) for each in page.letters], "next": page.cursor})

    @REDRIVE.on(routes)
    def redrive(letter_id: str) -> Response:
        require_admin("re-driving")
        return answer(Redriven(letter_id, desk.redrive(letter_id)))

    @DROP.on(routes)
    def drop(letter_id: str) -> Response:
        require_admin("dropping dead letters")
        desk.drop(letter_id)
        return no_content()

    return routes


def _told(kind: str, letter: Letter) -> dict[str, Any]:
    shown = {"id": f"{kind}{SEPARATOR}{letter.id}", "kind": kind, "code": letter.code, "text": letter.text}
    return {**shown, "failed_at": letter.failed_at, "details": letter.details}
