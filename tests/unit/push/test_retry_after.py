import time
from datetime import UTC, datetime
from email.utils import format_datetime, formatdate

import pytest

from chat.push.retry_after import LONGEST_S, retry_after_s

NOW_S = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("999999999", LONGEST_S),
        (formatdate(NOW_S + 90, usegmt=True), 90),
        (formatdate(NOW_S - 90, usegmt=True), 0),
        (formatdate(NOW_S + 90 * 86_400, usegmt=True), LONGEST_S),
        (datetime.fromtimestamp(NOW_S + 30, UTC).strftime("%A, %d-%b-%y %H:%M:%S GMT"), 30),  # RFC 850
        (format_datetime(datetime.fromtimestamp(NOW_S + 30, UTC)), 30),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("9999999999999999999999", None),
        ("Mon, 99 Foo 2026 00:00:00 GMT", None),
    ],
)
def test_a_wait_is_read_as_seconds_and_as_a_date(text, seconds):
    assert retry_after_s({"retry-after": text}, NOW_S) == seconds


def test_no_wait_is_told_when_there_is_no_header():
    assert retry_after_s({}, NOW_S) is None


@pytest.mark.parametrize("form", ["%a %b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S -0000"])
def test_a_date_without_a_zone_is_utc_wherever_the_server_stands(form, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        text = datetime.fromtimestamp(NOW_S + 30, UTC).strftime(form)
        assert retry_after_s({"retry-after": text}, NOW_S) == 30
    finally:
        monkeypatch.undo()
        time.tzset()
