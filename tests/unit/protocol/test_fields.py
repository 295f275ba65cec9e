"""A member under several names."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import UNSET, Struct

from chat.errors import InvalidRequest
from chat.protocol.fields import Either, Id, Maybe


class Named(Struct):
    userId: Id | Maybe = UNSET  # noqa: N815
    user_id: Id | Maybe = UNSET

    user = Either[str]("userId", "user_id")


@pytest.mark.parametrize("name", ["userId", "user_id"])
def test_a_member_is_found_when_it_comes_under_any_of_its_names(name: str) -> None:
    assert msgspec.convert({name: "ann"}, Named).user == "ann"


def test_the_first_name_counts_when_a_member_comes_under_two() -> None:
    assert Named(userId="ann", user_id="bob").user == "ann"


def test_the_first_name_is_told_when_a_member_is_missing() -> None:
    with pytest.raises(InvalidRequest, match="userId is missing") as caught:
        _ = Named().user
    assert caught.value.field == "userId"


@pytest.mark.parametrize("text", ["", "a b", "x" * 65, "a\n"])
def test_an_id_is_refused_when_it_has_other_characters_or_another_length(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, Id)
