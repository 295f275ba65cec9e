"""A wake-up is sent behind whatever asked for it, once for many, and again when it failed."""

from __future__ import annotations

from collections.abc import Callable

import gevent

from chat.gateway.nudge import FAILURE_PAUSE_S, Nudge

SOON_S = 10.0


def until(is_true: Callable[[], object]) -> bool:
    with gevent.Timeout(SOON_S, False):
        while not is_true():
            gevent.sleep(0.001)
    return bool(is_true())


def test_what_asked_goes_on_first_and_many_askings_are_one_wake_up():
    woken: list[int] = []
    nudge = Nudge(lambda: woken.append(1), pause_s=0.01)
    nudge.start()
    for _ in range(5):
        nudge()
        gevent.sleep(0)  # the loop turns
        assert woken == []
    assert until(lambda: woken)
    nudge()
    assert until(lambda: len(woken) == 2)
    gevent.sleep(0.05)  # longer than the pause: nobody asked
    assert len(woken) == 2


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
    assert until(lambda: len(tries) == 3 and tries[-1] is None)
