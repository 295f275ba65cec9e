"""Servers that ask for tokens, and how they end a connection."""

from __future__ import annotations

from typing import Any

from tests.support.chat_client import ChatClient
from tests.support.issuer import SECRET, SecretIssuer

FRIEND = "https://friend.example"
JWT = {"AUTH_MODE": "jwt", "AUTH_SECRET": SECRET, "ALLOWED_ORIGINS": FRIEND, "LOG_LEVEL": "DEBUG"}
ISSUED = SecretIssuer()


def ends(client: ChatClient) -> tuple[int, dict[str, Any]]:
    """Return the code with which the connection ends, and what was told of it before."""
    code = client.until_closed()
    last = client.events[-1]
    assert last["event"] == "closing"
    assert last["data"]["code"] == code
    assert last["data"]["retry"] == (code < 4500)
    return code, last["data"]
