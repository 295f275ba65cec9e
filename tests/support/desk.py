"""A sender, and everything that a send goes through, up to the broker in memory."""

from __future__ import annotations

from typing import Any

from chat.gateway.rate import UserRate
from chat.gateway.sending import Sending
from chat.protocol import commands
from chat.services.accept import AcceptService
from chat.services.drafting import Drafting
from tests.support.local_server import ROOM


class Desk:
    """The client `ann` and the path of her messages; `send` returns what she is told."""

    def __init__(self, server: Any, store: Any, per_s: float = 0) -> None:
        self.server, self.store, self.nudges = server, store, 0
        self.client = server.client("ann")
        self.warm_fault: Exception | None = None
        self.sending = Sending(
            Drafting(content_limit_bytes=1000, give_up_s=300),
            AcceptService(server.broker, self._warm, lambda run, room_id: run(room_id)),
            UserRate(per_s),
            server.hub.unconfirmed,
            store,
            self._nudge,
        )

    def send(self, temp_id: str = "t1", ack: int | None = 7, **more: Any) -> list[dict[str, Any]]:
        """Send one message and let the broker answer."""
        data = commands.SendData(content="hi", roomId=ROOM, temp_id=temp_id, **more)
        self.sending.send(self.client.session, commands.Send(data, ack))
        self.server.broker.answer()
        return self.client.told()

    def _nudge(self) -> None:
        self.nudges += 1

    def _warm(self, room_id: str) -> Any:
        if self.warm_fault is not None:
            raise self.warm_fault
        return self.server.broker.warm(room_id, 0, [])
