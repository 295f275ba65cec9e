"""Which marks a run of the thread task settles; what it tells is in tests/integration/tasks/test_threads.py."""

from __future__ import annotations

from typing import Any

from chat.errors import MessageNotFound, NotStoredYet
from chat.services.tell_threads import TellThreads


class Marks:
    """One hash of marks."""

    def __init__(self, *parents: str) -> None:
        self.left = dict.fromkeys(parents, "1")

    def take(self, limit: int) -> dict[str, dict[str, str]]:
        return {"threads": dict(list(self.left.items())[:limit])} if self.left else {}

    def settle(self, done: Any) -> int:
        for parent in done["threads"]:
            del self.left[parent]
        return len(done["threads"])


class Messages:
    """Messages that are gone, or not there yet."""

    def find(self, ref: Any) -> Any:
        raise NotStoredYet("wait") if ref.seq == 2 else MessageNotFound("gone")


def test_only_what_may_still_come_stays_marked() -> None:
    marks: Any = Marks("r.1.e", "r.2.e", "nonsense")
    unused: Any = None
    messages: Any = Messages()
    run = TellThreads(marks, messages, unused, unused, unused)
    assert run.round()
    assert list(marks.left) == ["r.2.e"]
    assert not run.round()
