"""After a draft was submitted here its sender gets one outcome, also when Redis knew nothing of the room.

Before: the dispatcher checked the sender and made the draft. After: the broker's accept step.
"""

from __future__ import annotations

from collections.abc import Callable

from chat.broker.base import Accepted, Accepting, AcceptOutcome, Cold, Draft, LogRead, OnOutcome
from chat.errors import ChatError
from chat.model.publication import EVERYBODY


def _unheard(_draft: Draft, _accepted: Accepted) -> None:
    """Stand in where nobody asks."""


class AcceptService:
    """Submits drafts in the order they came, and warms a cold room on the way.

    `warm(room)` may block; `spawn(function, argument)` runs it elsewhere. `on_accepted` hears of every message
    that is accepted here, behind its sender, and must not block.
    """

    def __init__(
        self,
        broker: Accepting,
        warm: Callable[[str], LogRead],
        spawn: Callable[[Callable[[str], None], str], object],
        on_accepted: Callable[[Draft, Accepted], None] = _unheard,
    ) -> None:
        self._broker = broker
        self._warm = warm
        self._spawn = spawn
        self._on_accepted = on_accepted
        self._warming: dict[str, list[tuple[Draft, OnOutcome]]] = {}

    def submit(self, draft: Draft, on_outcome: OnOutcome) -> None:
        """Accept a draft; `on_outcome` is called once, never with Cold, and must not block."""
        waiting = self._warming.get(draft.room_id)
        if waiting is not None:
            # Behind those that found the room cold, so that one sender's messages keep their order.
            waiting.append((draft, on_outcome))
            return

        def take(outcome: AcceptOutcome | ChatError) -> None:
            if isinstance(outcome, Cold):
                self._wait_for_warmth(draft, on_outcome)
                return
            on_outcome(outcome)
            if isinstance(outcome, Accepted):
                self._on_accepted(draft, outcome)

        self._broker.submit(draft, take)

    def is_sending(self, room_id: str, whom: str) -> bool:
        """Tell whether a message of a user, or of anybody, to a room is still on its way to be accepted."""

        def is_meant(draft: Draft) -> bool:
            return draft.room_id == room_id and whom in (EVERYBODY, draft.sender_id)

        waiting = (draft for draft, _ in self._warming.get(room_id, ()))
        return any(map(is_meant, waiting)) or self._broker.is_submitting(is_meant)

    def _wait_for_warmth(self, draft: Draft, on_outcome: OnOutcome) -> None:
        waiting = self._warming.get(draft.room_id)
        if waiting is None:
            self._warming[draft.room_id] = [(draft, on_outcome)]
            self._spawn(self._warm_up, draft.room_id)
        else:
            waiting.append((draft, on_outcome))

    def _warm_up(self, room_id: str) -> None:
        failure: ChatError | None = ChatError(f"{room_id} can't be opened; the server's log tells why")
        try:
            self._warm(room_id)
            failure = None
        except ChatError as exc:
            failure = exc
        finally:  # also after a surprise: nobody may wait for an answer that never comes
            for draft, on_outcome in self._warming.pop(room_id):
                if failure is None:
                    self.submit(draft, on_outcome)
                else:
                    on_outcome(failure)
