"""What is named after it was built is named: nobody waits for what never comes."""

from __future__ import annotations

from chat.gateway.assembly.parts import Parts


def test_a_change_waits_until_every_server_has_obeyed(parts: Parts) -> None:
    assert parts.rooms.changes.await_cut == parts.following.cut_offs.wait


def test_whoever_is_cut_off_is_there_no_more(parts: Parts) -> None:
    assert parts.ground.hub.on_cut == parts.presence.removed


def test_the_relay_tells_everyone_who_believes_what_he_heard(parts: Parts) -> None:
    relay, rooms, cut_offs = parts.ground.relay, parts.following.rooms, parts.following.cut_offs
    forget_all = parts.reading.preferences.forget_all
    assert relay.on_lost == (cut_offs.connection_lost, rooms.connection_lost, forget_all)
    assert relay.on_again == (rooms.subscribed_again, parts.presence.heard_again)
    assert relay.on_turn == (cut_offs.renew_trust, parts.ground.hub.flush)
