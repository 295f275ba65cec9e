"""Somebody who keeps sending while others are hurt."""

from __future__ import annotations

import threading
from types import TracebackType

from celery import Celery

from chat.broker.wake import wake_drain
from tests.support.drainage import Drainage

PER_ENTRY = 10
EVERY_S = 0.025  # 400 messages/s at most
JOIN_S = 30


class Stream:
    """Messages accepted one entry after the other, each with the wake-up that a server sends.

    `with Stream(room, app) as stream: …`, then `stream.temp_ids` has all that were accepted.
    """

    def __init__(self, room: Drainage, app: Celery) -> None:
        self.temp_ids: list[str] = []
        self._room = room
        self._app = app
        self._error: Exception | None = None
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._send, name="stream")

    def __enter__(self) -> Stream:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join(JOIN_S)
        if self._error is not None and error is None:
            raise self._error

    def _send(self) -> None:
        try:
            while not self._is_over.wait(EVERY_S):
                start = len(self.temp_ids)
                entry = [f"s{number}" for number in range(start, start + PER_ENTRY)]
                self._room.accept(*entry)
                self.temp_ids += entry
                wake_drain(self._room.client, lambda: send_wake_up(self._app))
        except Exception as exc:
            self._error = exc


def send_wake_up(app: Celery) -> None:
    """Send the task as `tasks.persist.send_drain` does, by this app."""
    app.send_task("tasks.persist.drain", retry=False)
