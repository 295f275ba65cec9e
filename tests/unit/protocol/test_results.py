from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from chat.protocol import commands, results


def test_every_command_has_a_result() -> None:
    assert set(results.RESULTS) == set(get_args(commands.Command))


@pytest.mark.parametrize("record", results.RESULTS.values(), ids=lambda each: each.__name__)
def test_an_unknown_member_is_refused_when_a_result_is_held_to_its_record(record: type[msgspec.Struct]) -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"surprise": 1}, record)
