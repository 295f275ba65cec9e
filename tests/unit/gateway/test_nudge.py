"""A wake-up is sent behind whatever asked for it, once for many, and again when it failed."""

from __future__ import annotations

import gevent

from chat.gateway.nudge import FAILURE_PAUSE_S, Nudge
from tests.support.wait import eventually


def test_what_asked_goes_on_first_and_many_askings_are_one_wake_up():
    woken: list[int] = []
    nudge = Nudge(lambda: woken.append(1), pause_s=0.01)
    nudge.start()
    for _ in range(5):
        nudge()
        gevent.sleep(0)  # the loop turns
        assert woken == []
    eventually(lambda: woken, pause=gevent.sleep)
    nudge()
    eventually(lambda: len(woken) == 2, pause=gevent.sleep)


def test_nobody_is_woken_again_without_asking():
    woken: list[str] = []
    first = Nudge(lambda: woken.append("first"), pause_s=0.001)
    other = Nudge(lambda: woken.append("other"), pause_s=0.001)
    for each in (first, other):
        each.start()
    first()
    for turn in range(1, 5):  # the other's rests are as long as the first's
        other()
        eventually(lambda turn=turn: woken.count("other") == turn, pause=gevent.sleep)  # type: ignore[misc]
    assert woken.count("first") == 1


def test_a_failure_is_tried_again_without_being_asked(monkeypatch):
    monkeypatch.setattr("chat.gateway.nudge.FAILURE_PAUSE_S", 0.01)
    assert FAILURE_PAUSE_S > 0.01
    outcomes = iter([ConnectionError("away"), ConnectionError("away"), None])
    tries: list[object] = []

    def wake() -> None:
        tries.append(outcome := next(outcomes))
        if outcome is not None:
            raise outcome

    nudge = Nudge(wake, pause_s=0.01)
    nudge.start()
    nudge()
    eventually(lambda: len(tries) == 3 and tries[-1] is None, pause=gevent.sleep)
