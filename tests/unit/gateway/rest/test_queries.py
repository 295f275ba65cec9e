from __future__ import annotations

from typing import Annotated

import msgspec
import pytest
from flask import Flask

from chat.errors import InvalidRequest
from chat.gateway import catalogue
from chat.gateway.rest.queries import names_of, read_query
from chat.protocol.fields import Id
from chat.protocol.spelling import other_spelling

APP = Flask(__name__)


class Query(msgspec.Struct, frozen=True):
    """Everything that a query may have."""

    user_ids: Annotated[list[Id], msgspec.Meta(max_length=2)] = []
    last_seq: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    after: Id | None = None


class Needed(msgspec.Struct, frozen=True):
    """Something that has to be there."""

    room_id: Id


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", Query()),
        ("?user_ids=a,b&last_seq=7&limit=1&after=x", Query(["a", "b"], 7, 1, "x")),
        ("?userIds=a,,b&lastSeq=0", Query(["a", "b"], 0)),
        ("?last_seq=1&lastSeq=2", Query(last_seq=1)),
        ("?after=&userIds=&other=1", Query()),
    ],
)
def test_a_query_is_read_in_either_spelling(query: str, found: Query) -> None:
    with APP.test_request_context(f"/{query}"):
        assert read_query(Query) == found


@pytest.mark.parametrize(
    ("query", "field", "mend"),
    [
        *(
            (f"?limit={text}", "limit", "a number from 1 to 200")
            for text in ("0", "201", "x", "", "1e2", "1.0", "null")
        ),
        ("?lastSeq=-1", "lastSeq", "from 0 to"),
        ("?lastSeq=99999999999999999", "lastSeq", "from 0 to"),
        ("?last_seq=%D9%A5", "last_seq", "from 0 to"),
        ("?userIds=a,b,c", "userIds", "at most 2"),
        ("?user_ids=a,b%20c", "user_ids", "A-Z a-z"),
        ("?after=a:b", "after", "A-Z a-z"),
    ],
)
def test_the_name_that_the_client_wrote_and_a_mend_are_told(query: str, field: str, mend: str) -> None:
    with APP.test_request_context(f"/{query}"), pytest.raises(InvalidRequest) as refused:
        read_query(Query)
    assert refused.value.field == field
    assert mend in refused.value.message


def test_what_is_missing_is_named() -> None:
    with APP.test_request_context("/"), pytest.raises(InvalidRequest, match=r"add \?room_id=") as refused:
        read_query(Needed)
    assert refused.value.field == "room_id"


@pytest.mark.parametrize("operation", [each for each in catalogue.operations(is_dev=True) if each.query])
def test_every_query_of_the_api_takes_both_spellings(operation: object) -> None:
    query = operation.query  # type: ignore[attr-defined]
    names = names_of(query)
    assert {names[other_spelling(each)] for each in query.__struct_encode_fields__} == set(
        query.__struct_encode_fields__
    )
