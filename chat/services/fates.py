"""What became of the messages a client sent before it lost its connection, settled in one round trip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chat.broker.base import Fate, LogRead, RoomLog
from chat.model.ids import message_id


class Fates:
    """Tells the fate of a sender's temp ids; `locate` warms a lost room, so that stored ones are known."""

    def __init__(self, log: RoomLog, locate: Callable[[str], LogRead]) -> None:
        self._log = log
        self._locate = locate

    def of(self, room_id: str, sender_id: str, temp_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return the fate of each temp id as `get-send-fate` tells it.

        `unknown` means that nothing was accepted under it: it is safe to send. Raises what `locate` raises.
        """
        self._locate(room_id)
        fates = self._log.fates(room_id, [(sender_id, temp_id) for temp_id in temp_ids])
        return {temp_id: _told(room_id, fate) for temp_id, fate in zip(temp_ids, fates, strict=True)}


def _told(room_id: str, fate: Fate) -> dict[str, Any]:
    told: dict[str, Any] = {"state": fate.state}
    if fate.state != "unknown":
        told |= {"id": message_id(room_id, fate.seq, fate.epoch), "seq": fate.seq}
    if fate.state == "failed":
        told["error"] = {"code": fate.error_code, "message": fate.error_text, "retryable": fate.retryable}
    return told
