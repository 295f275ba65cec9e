import json

import pytest

from chat.push.apns_answers import judge, read_body
from chat.push.base import Delivered, Gone, Later, Paused, Refused
from chat.push.transport import Answer
from tests.support.push.apns_rows import ROWS
from tests.support.push.servers import REGISTERED_AT

NOW_S = 1_800_000_000.0
REGISTERED_MS = 1_767_225_600_000  # REGISTERED_AT


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_of_the_table_ends_as_it_says(row):
    headers = {name.lower(): value for name, value in row.answer.headers.items()}
    answer = Answer(row.answer.status, headers, row.answer.content)
    assert judge(answer, REGISTERED_AT, NOW_S) == row.result


@pytest.mark.parametrize(
    ("ended_ms", "is_gone"), [(REGISTERED_MS - 1, False), (REGISTERED_MS, False), (REGISTERED_MS + 1, True)]
)
def test_a_device_is_gone_only_when_it_ended_after_it_was_registered(ended_ms, is_gone):
    answer = Answer(410, body=json.dumps({"reason": "Unregistered", "timestamp": ended_ms}).encode())
    result = judge(answer, REGISTERED_AT, NOW_S)
    assert isinstance(result, Gone if is_gone else Refused)


@pytest.mark.parametrize(
    "refreshed_at", ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00"]
)
def test_a_time_is_read_however_it_is_written(refreshed_at):
    answer = Answer(410, body=b'{"reason": "ExpiredToken", "timestamp": 1767225600001}')
    assert judge(answer, refreshed_at, NOW_S) == Gone("410 ExpiredToken")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"reason": 7, "timestamp": "soon"}',
        b'{"reason": "no words!", "timestamp": true}',
        b"[" * 100_000,
    ],
)
def test_a_body_says_nothing_when_it_is_not_what_apple_writes(body):
    assert read_body(body) == ("", None)


def test_no_status_is_left_without_a_meaning():
    kinds = {type(judge(Answer(status), REGISTERED_AT, NOW_S)) for status in range(100, 600)}
    assert kinds == {Delivered, Gone, Later, Paused, Refused}
