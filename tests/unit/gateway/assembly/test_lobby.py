"""Who is told what happens to connections."""

from __future__ import annotations

from chat.gateway.assembly.lobby import lobby_of
from chat.gateway.assembly.parts import Parts
from chat.services.preferences import UserRecord


def test_a_connection_that_is_gone_types_no_more(parts: Parts) -> None:
    assert lobby_of(parts).on_gone == parts.reading.typing.gone


def test_a_users_choice_is_read_anew_when_another_server_changed_it(parts: Parts) -> None:
    preferences = parts.reading.preferences
    preferences._remembered["ann"] = UserRecord(read_receipts=False)
    lobby_of(parts).on_user_event[b"settings"]("ann", b"settings")
    assert "ann" not in preferences._remembered
