"""What the log is told again, and when."""

from __future__ import annotations

from chat.services.told import AGAIN_AFTER_S, LIMIT, Told


def test_something_is_news_again_after_a_minute_and_other_things_at_once() -> None:
    now = 0.0
    told = Told(lambda: now)

    assert [told.is_news(each) for each in ("a", "a", "b", "b")] == [True, False, True, False]
    now = AGAIN_AFTER_S
    assert told.is_news("a")


def test_its_memory_has_a_limit() -> None:
    told = Told(lambda: 0.0)
    for number in range(LIMIT):
        told.is_news(str(number))

    assert not told.is_news("0")
    assert told.is_news("one more")
    assert told.is_news("0")
