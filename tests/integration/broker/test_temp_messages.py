"""Accepted messages under their public keys, on a real server."""

from __future__ import annotations

import json
from typing import Any

from chat.broker.base import Accepted
from chat.broker.temp_messages import TTL_S, RedisTempMessages
from tests.support.drafts import draft


def test_a_message_is_kept_as_it_was_shown_first(client):
    RedisTempMessages(client).show([(draft("t1"), Accepted(7, "e1", 9))])
    assert client.ttl("chat:msg_temp:t1") == TTL_S
    assert json.loads(client.get("chat:msg_temp:t1")) == {
        "_temp": True,
        "id": "room456.7.e1",
        "seq": 7,
        "room_id": "room456",
        "sender_id": "ann",
        "temp_id": "t1",
        "content": "says t1",
    }


def test_a_batch_is_one_round_trip(client, monkeypatch):
    sent: list[dict[str, Any]] = []
    pipeline = client.pipeline

    def noted(**how: Any) -> Any:
        sent.append(how)
        return pipeline(**how)

    monkeypatch.setattr(client, "pipeline", noted)
    RedisTempMessages(client).show((draft(f"t{n}"), Accepted(n, "e1", n)) for n in range(50))
    assert sent == [{"transaction": False}]
    assert len(client.keys("chat:msg_temp:*")) == 50
