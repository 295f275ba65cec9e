"""What Prometheus reads is what happened."""

from __future__ import annotations

import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from tests.support.chat_system import ChatSystem
from tests.support.wait import eventually


def scrape(system: ChatSystem, accept: str = "text/plain") -> dict[str, float]:
    asked = urllib.request.Request(f"{system.url}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(asked, timeout=10) as response:
        text = response.read().decode()
    families = text_string_to_metric_families(text)
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_counters_rise_when_a_message_is_sent_and_stored(system: ChatSystem, room: str) -> None:
    before = scrape(system)
    ann, bob = system.client(), system.client()
    ann.join(room)
    bob.join(room)
    ann.say(room, "hello", "t-1")
    ann.until(lambda: ann.confirmed())

    def has_risen() -> bool:
        after = scrape(system)
        names = ("accepted", "confirmed")
        return (
            all(after[f"chat_messages_{name}_total"] > before[f"chat_messages_{name}_total"] for name in names)
            and after["chat_store_round_trips_total"] > before["chat_store_round_trips_total"]
            and after["chat_drain_tasks_total"] >= 1
            and after["chat_deliveries_total"] >= before["chat_deliveries_total"] + 2
            and after["chat_sockets"] >= 2
        )

    eventually(has_risen)


def test_the_process_and_its_latencies_are_told(system: ChatSystem, room: str) -> None:
    ann = system.client()
    ann.join(room)
    ann.say(room, "hello", "t-1")
    ann.until(lambda: ann.confirmed())
    told = scrape(system)
    assert told["chat_redis_up"] == 1
    assert told["process_open_fds"] > 0
    assert 0 <= told["chat_delivery_latency_seconds"] < 60
    assert 0 <= told["chat_confirmation_latency_seconds"] < 60
