"""A run goes on while there is something to do, and looks once more after it has let go of its lease."""

from __future__ import annotations

from collections.abc import Callable

from chat.services.rounds import LONGEST_PAUSE_S, run_rounds


class Lease:
    """Remembers what was done with it."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def take(self) -> None:
        self.steps.append("take")

    def hold(self, store_round_trips: int = 0) -> bool:
        self.steps.append("hold")
        return True

    def release(self) -> None:
        self.steps.append("release")


def running(*answers: bool, run_s: float = 60) -> tuple[bool, list[str], list[float]]:
    lease, pauses, left = Lease(), list[float](), list(answers)
    do_round: Callable[[], bool] = lambda: left.pop(0)  # noqa: E731
    is_unfinished = run_rounds(lease, do_round, run_s=run_s, pause_s=0.5, sleep=pauses.append)
    assert not left or run_s == 0
    return is_unfinished, lease.steps, pauses


def test_a_run_ends_when_nothing_is_left() -> None:
    assert running(True, False, False) == (False, ["take", "hold", "hold", "release"], [0.5])


def test_what_was_marked_before_the_release_is_found_behind_it() -> None:
    is_unfinished, steps, _ = running(False, True, False, False)
    assert (is_unfinished, steps) == (False, ["take", "hold", "release", "take", "hold", "release"])


def test_a_run_that_has_no_time_left_says_so() -> None:
    assert running(True, run_s=0)[0] is True


def test_a_pause_is_shorter_than_the_lease_lives() -> None:
    assert LONGEST_PAUSE_S < 5
