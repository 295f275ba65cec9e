"""What clients are told of the settings."""

from __future__ import annotations

from chat.gateway.assembly.limits import connection_limits, told_limits
from config.settings import Settings


def test_a_client_is_told_the_limits_that_hold(settings: Settings) -> None:
    told = told_limits(settings.limits)
    assert told["roomsPerSocket"] == 7
    asked = ("messages_per_s", "frames_per_s", "sockets_per_user", "sockets_per_address", "rest_per_s")
    names = ("messagesPerSecond", "framesPerSecond", "socketsPerUser", "socketsPerAddress", "restPerSecond")
    assert [told[name] for name in names] == [getattr(settings.limits, name) for name in asked]
    assert told["frameBytes"] == connection_limits(settings.limits).frame_limit_bytes
    assert told["framesPerSecond"] == connection_limits(settings.limits).max_frames_per_s
