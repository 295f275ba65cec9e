import pytest

from chat.push.base import Delivered, Gone, Later, Paused, Refused
from chat.push.transport import Answer
from chat.push.webpush_answers import judge
from tests.support.push.webpush_rows import ROWS

NOW_S = 1_800_000_000.0


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_of_the_table_ends_as_it_says(row):
    answer = Answer(row.answer.status, dict(row.answer.headers), row.answer.content)
    assert judge(answer, NOW_S) == row.result


def test_the_wait_is_a_date_when_the_service_says_so():
    date = "Fri, 15 Jan 2027 08:01:30 GMT"
    assert judge(Answer(429, {"retry-after": date}), NOW_S) == Later("429", 90)


def test_no_status_is_left_without_a_meaning():
    kinds = {type(judge(Answer(status), NOW_S)) for status in range(100, 600)}
    assert kinds == {Delivered, Gone, Later, Paused, Refused}
