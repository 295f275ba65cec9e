"""What of the contract's surface no other acceptance test asks for, and that nothing of it is left out."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from chat.protocol import commands, told
from tests.support.chat_client import ChatClient
from tests.support.chat_system import ChatSystem, LoneServer

TOLD = sorted(each.__struct_config__.tag for each in told.Event.__args__)
HERE = Path(__file__).parent
STATS = {
    *("connectedUsers", "totalSockets", "activeChatRooms", "hits", "misses", "hitRate", "outboxLength"),
    *("messagesAccepted", "messagesConfirmed", "messagesRetracted", "storeRoundTrips", "drainTasks"),
}


def test_stats_tell_what_the_contract_names(system: ChatSystem, room: str) -> None:
    ann = system.client(system.token("ann"))
    ann.join(room)
    before = system.quiet_stats()
    ann.say(room, "hello", "t-1")
    ann.until(lambda: ann.confirmed())
    after = system.quiet_stats()
    assert _names(after) >= STATS
    assert after["messagesAccepted"] == before["messagesAccepted"] + 1
    assert after["messagesConfirmed"] == before["messagesConfirmed"] + 1
    assert after["totalSockets"] >= 1
    assert after["activeChatRooms"] >= 1


def test_the_description_of_the_socket_names_every_event(system: ChatSystem) -> None:
    described = system.get("/api/v1/asyncapi.json")
    assert described.status_code == 200
    assert {name for name in [*TOLD, *commands.EVENTS] if f'"{name}"' not in described.text} == set()


def test_everyone_is_told_to_come_back_before_a_planned_stop(system: ChatSystem) -> None:
    secret = (system.stack.data_dir / "dev-secret").read_text().strip()
    own = {"AUTH_MODE": "dev", "AUTH_SECRET": secret, "STORE_URL": f"sqlite:///{system.store_path}"}
    with LoneServer(system.redis_url, own | {"SHUTDOWN_GRACE_S": "1"}) as server:
        people: list[ChatClient] = [server.client() for _ in range(3)]
        for each in people:
            each.ask("heartbeat")
        server.process.send_signal(signal.SIGTERM)
        for each in people:
            assert each.until_closed() == 1001
            assert [event["event"] for event in each.events][-1] == "server-leaving"
            assert each.of("server-leaving")[0]["reconnectInMs"] >= 0
        assert server.process.wait(10) == 0


@pytest.mark.parametrize("event", sorted({*TOLD, *commands.EVENTS}))
def test_each_event_is_named_by_a_test_with_a_real_socket(event: str) -> None:
    assert any(f'"{event}"' in path.read_text() for path in HERE.glob("test_*.py"))


def _names(stats: object) -> set[str]:
    """Return every name in what /stats tells, however deep."""
    if not isinstance(stats, dict):
        return set()
    return set(stats).union(*(_names(each) for each in stats.values()))
