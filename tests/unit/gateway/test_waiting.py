"""Too many that wait: the first gives up its place."""

from __future__ import annotations

from chat.gateway.waiting import MOST_WAITING, Waiting, waiting_limit


class Someone:
    def __init__(self) -> None:
        self.has_given_up = False

    def give_up(self) -> None:
        self.has_given_up = True


def test_first_gives_up_when_one_too_many_comes() -> None:
    waiting = Waiting(2)
    first, second, third = Someone(), Someone(), Someone()
    for each in (first, second, third):
        waiting.enter(each)
    assert [each.has_given_up for each in (first, second, third)] == [True, False, False]
    assert len(waiting) == 2


def test_nobody_gives_up_when_places_were_left() -> None:
    waiting = Waiting(2)
    everyone = [Someone() for _ in range(10)]
    for each in everyone:
        waiting.enter(each)
        waiting.leave(each)
        waiting.leave(each)
    assert not any(each.has_given_up for each in everyone)
    assert len(waiting) == 0


def test_some_may_wait_in_any_process() -> None:
    assert 1 <= waiting_limit() <= MOST_WAITING
