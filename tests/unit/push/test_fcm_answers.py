import pytest

from chat.push.base import Delivered, Gone, Later, Paused, Refused
from chat.push.fcm_answers import judge, judge_grant, read_fault
from chat.push.transport import Answer
from tests.support.push.fcm_rows import GRANT_ROWS, ROWS

NOW_S = 1_800_000_000.0


def as_read(row) -> Answer:
    headers = {name.lower(): value for name, value in row.answer.headers.items()}
    return Answer(row.answer.status, headers, row.answer.content)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_of_the_table_ends_as_it_says(row):
    assert judge(as_read(row), NOW_S) == row.result


@pytest.mark.parametrize("row", GRANT_ROWS, ids=lambda row: row.name)
def test_an_answer_of_the_token_endpoint_ends_as_the_table_says(row):
    assert judge_grant(as_read(row), NOW_S) == row.result


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"<html>",
        b"[]",
        b"null",
        b'{"error": "UNREGISTERED"}',
        b'{"error": []}',
        b'{"error": {"details": {"errorCode": "UNREGISTERED"}}}',
        b'{"error": {"details": ["UNREGISTERED", {"errorCode": 7}, {"fieldViolations": ["message.token"]}]}}',
        b'{"error": {"status": "lower case"}}',
        b"[" * 100_000,
    ],
)
def test_a_body_says_nothing_when_it_is_not_what_google_writes(body):
    fault = read_fault(body)
    assert (fault.code, fault.names_token) == ("", False)


def test_no_status_is_left_without_a_meaning():
    kinds = {type(judge(Answer(status), NOW_S)) for status in range(100, 600)}
    assert kinds == {Delivered, Later, Paused, Refused}  # no status alone takes a device away


def test_a_device_is_kept_when_only_the_status_says_not_found():
    assert judge(Answer(404), NOW_S) == Paused("404")
    assert not isinstance(judge(Answer(403), NOW_S), Gone)
