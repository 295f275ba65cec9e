"""Notifications that were given up, for an operator: the part of `workers.dead_letters` with `--pushes`."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from kombu.exceptions import OperationalError

from chat.broker import keys
from chat.broker.push_dead import PushDeadLetters
from chat.broker.push_jobs import PushJobs
from chat.broker.wake import wake_drain
from chat.errors import ChatError
from chat.model.clock import rfc3339
from chat.model.device import DeviceKind
from chat.model.push import PushLetter
from tasks.context import WorkContext

PREFIXES = tuple(f"{kind}:" for kind in DeviceKind)  # a push letter's id begins with one of them


class PushLetters:
    """Lists, re-drives and drops them."""

    def __init__(self, context: WorkContext) -> None:
        self._context = context
        self._jobs = PushJobs(context.client, tuple(DeviceKind), keep_s=context.settings.push.ttl_s)
        self._letters = PushDeadLetters(context.client, self._jobs)

    def shown(self, limit: int) -> Iterable[PushLetter]:
        """Return the first letters."""
        return self._letters.read(limit=limit)

    def redrive(self, letter_id: str) -> str:
        """Have the device notified after all, unless the message was read or told meanwhile."""
        if not self._letters.redrive(letter_id):
            return "not found"
        self._wake({DeviceKind(letter_id.partition(":")[0])})
        return "accepted"

    def redrive_all(self) -> Iterable[tuple[str, str]]:
        """Do that for every letter; return their ids, and what became of each."""
        told = [(each.letter_id, each.target.kind) for each in self._letters.all()]
        outcomes = [
            (letter_id, "accepted" if self._letters.redrive(letter_id) else "not found") for letter_id, _ in told
        ]
        self._wake({kind for _, kind in told})
        return outcomes

    def drop(self, letter_id: str) -> str:
        """Remove a letter for good."""
        return "dropped" if self._letters.drop(letter_id) else "not found"

    def _wake(self, kinds: Iterable[DeviceKind]) -> None:
        from workers.celery_app import app

        for kind in kinds:
            send = lambda kind=kind: app.send_task("tasks.push.send", (kind.value,), retry=False)  # noqa: E731
            try:
                wake_drain(self._context.client, send, lease=keys.push_lease(kind))
            except (ChatError, OperationalError) as exc:
                print(f"no worker was woken ({exc}); one does it within seconds", file=sys.stderr)


def fields(letter: PushLetter) -> dict[str, object]:
    """Return a letter as JSON shows it."""
    target = letter.target
    return {
        "id": letter.letter_id,
        "kind": target.kind,
        "room_id": target.room_id,
        "user_id": target.user_id,
        "device_id": target.device_id,
        "seq": letter.seq,
        "tries": letter.tries,
        "reason": letter.reason,
        "failed_at": rfc3339(letter.at_ms),
    }


def line(letter: PushLetter) -> str:
    """Return a letter as people read it."""
    target = letter.target
    place = f"{target.room_id} #{letter.seq} {target.user_id} {target.device_id}"
    return f"{letter.letter_id} {rfc3339(letter.at_ms)} {place} tries={letter.tries} {letter.reason!a}"
