"""Which message a message answers, and where that is kept."""

from __future__ import annotations

import pytest

from chat.model.ids import MessageRef
from chat.model.threads import BLOCK, ThreadRecord, parent_of, thread_key
from chat.store.base import fault_of_key


def test_a_parent_is_an_earlier_message_of_the_room() -> None:
    assert parent_of("r", 7, "r.6.abcd1234") == MessageRef("r", 6, "abcd1234")


@pytest.mark.parametrize(
    "reply_to",
    [
        None,
        "",
        "nonsense",
        "other.6.abcd1234",
        "r.7.abcd1234",
        "r.8.abcd1234",
        "r.0.abcd1234",
        "r.6.é",
        "r.6." + "a" * 17,
    ],
)
def test_what_can_be_no_parent_is_none(reply_to: str | None) -> None:
    assert parent_of("r", 7, reply_to) is None


def test_a_thread_stands_in_blocks_under_keys_that_every_store_takes() -> None:
    parent = MessageRef("r" * 64, 10**15 - 1, "e" * 16)
    assert fault_of_key(thread_key(parent, 10**15)) is None
    assert thread_key(MessageRef("r", 6, "e"), BLOCK - 1) == "r:000000000006:e:00000000"
    assert thread_key(MessageRef("r", 6, "e"), BLOCK) == "r:000000000006:e:00000001"


def test_what_is_gone_is_gone_whenever_it_was_noted() -> None:
    assert ThreadRecord({"12": 1, "9": 1, "10": 1}, {"10": 1, "11": 1}).numbers() == [9, 12]
