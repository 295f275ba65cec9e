"""What clients are told of the settings."""

from __future__ import annotations

from chat.gateway.assembly.limits import connection_limits, told_limits
from config.settings import Settings


def test_a_client_is_told_the_limits_that_hold(settings: Settings) -> None:
    told = told_limits(settings.limits)
    assert told["roomsPerSocket"] == 7
    assert told["frameBytes"] == connection_limits(settings.limits).frame_limit_bytes
    assert told["framesPerSecond"] == connection_limits(settings.limits).max_frames_per_s
