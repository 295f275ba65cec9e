"""With which codes the server ends a WebSocket: the first half says come back, those from 4500 on say don't."""

from __future__ import annotations

from dataclasses import dataclass

STAY_AWAY_FROM = 4500


@dataclass(frozen=True, slots=True)
class CloseCode:
    """A close code as clients are told of it."""

    code: int
    about: str

    @property
    def is_retried(self) -> bool:
        """Tell whether a client should come back as it is."""
        return self.code < STAY_AWAY_FROM


CLOSE_CODES = (
    CloseCode(1000, "normal closure, in answer to the client's"),
    CloseCode(1001, "the server is leaving; `server-leaving` said when to come back"),
    CloseCode(1002, "the client broke RFC 6455"),
    CloseCode(1003, "a kind of data that is not taken"),
    CloseCode(1007, "text that is not UTF-8"),
    CloseCode(1009, "a message over `limits.frameBytes`"),
    CloseCode(1011, "the server failed; it was logged"),
    CloseCode(4001, "draining: come back after `afterMs`"),
    CloseCode(4002, "the token expired: come back with a fresh one"),
    CloseCode(4003, "the reader is too slow: come back and resume"),
    CloseCode(4004, "events were missed that can't be replayed: come back and join with `since`"),
    CloseCode(4005, "not one byte came for 60 s"),
    CloseCode(4008, "too many frames"),
    CloseCode(4500, "authentication failed"),
    CloseCode(4501, "protocol abuse"),
    CloseCode(4502, "no authentication in time"),
    CloseCode(4503, "revoked or forbidden"),
    CloseCode(4504, "too many connections of this user or address"),
)
