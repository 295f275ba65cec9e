"""Typing on a real server: a key that ends by itself and a word to the room, in one round trip."""

from __future__ import annotations

from chat.broker import keys
from chat.broker.typing import TTL_S, RedisTyping, TypingChange
from chat.model.publication import TypingTold, read_room


def change(is_typing: bool, room_id: str = "room456", user_id: str = "ann") -> TypingChange:
    return TypingChange(room_id, user_id, is_typing, b'{"event":"chat-user-typing"}')


def test_a_key_lives_3_s_and_the_room_is_told_when_somebody_types(client, ears):
    RedisTyping(client, "n1").tell([change(True)])
    assert client.get("chat:typing:room456:ann") == b"1"
    assert client.ttl("chat:typing:room456:ann") == TTL_S
    ((channel, payload),) = ears.heard()
    assert channel == keys.room_channel("room456")
    assert read_room("room456", payload) == TypingTold("ann", True, b'{"event":"chat-user-typing"}', "n1")


def test_the_key_is_gone_when_typing_ends(client, ears):
    RedisTyping(client, "n1").tell([change(True), change(True, "r2"), change(False)])
    assert client.keys("chat:*") == [b"chat:typing:r2:ann"]
    told = [read_room("r", payload) for _, payload in ears.heard()]
    assert [isinstance(each, TypingTold) and each.is_on for each in told] == [True, True, False]


def test_one_round_trip_serves_when_many_type(client, monkeypatch):
    sent = []
    pipeline = client.pipeline

    def counted(*args, **options):
        sent.append(1)
        return pipeline(*args, **options)

    monkeypatch.setattr(client, "pipeline", counted)
    RedisTyping(client, "n1").tell([change(True, user_id=f"u{n}") for n in range(50)])
    assert len(sent) == 1
