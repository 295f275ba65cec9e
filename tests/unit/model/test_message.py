from __future__ import annotations

import dataclasses

import pytest

from chat.model.message import MessageFailure, message_key


def test_keys_sort_as_numbers_do_when_messages_are_of_one_room():
    seqs = [1, 9, 10, 99, 100, 12_345, 999_999_999_999]
    assert sorted(message_key("room456", seq) for seq in reversed(seqs)) == [
        message_key("room456", seq) for seq in seqs
    ]


def test_a_key_names_room_and_padded_number_when_made():
    assert message_key("room456", 17) == "room456:000000000017"


def test_a_failure_stays_as_it_is_when_someone_tries_to_change_it():
    failure = MessageFailure("refused", "too large", retryable=False)
    with pytest.raises(dataclasses.FrozenInstanceError):
        failure.retryable = True  # type: ignore[misc]
