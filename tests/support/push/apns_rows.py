"""APNs' answers to a device that was registered at the start of 2026."""

from __future__ import annotations

from dataclasses import replace

from chat.push.base import Delivered, Gone, Later, Paused, Refused
from tests.support.push.apns_server import apns_error
from tests.support.push.rows import Row
from tests.support.push.script import Answer, redirect

WAIT_7 = {"retry-after": "7"}
LATER_MS, EARLIER_MS = 1_780_000_000_000, 1_760_000_000_000
QUARTER_HOUR_S = 900
DOWN = apns_error(503, "ServiceUnavailable")

ROWS = [
    Row("taken", Answer(200), Delivered()),
    Row("unregistered", apns_error(410, "Unregistered", LATER_MS), Gone("410 Unregistered")),
    Row("expired", apns_error(410, "ExpiredToken", LATER_MS), Gone("410 ExpiredToken")),
    Row("unregistered-whenever", apns_error(410, "Unregistered"), Gone("410 Unregistered")),
    Row(
        "registered-again",
        apns_error(410, "Unregistered", EARLIER_MS),
        Refused("410 Unregistered before it was registered again"),
    ),
    Row("bad-device", apns_error(400, "BadDeviceToken"), Gone("400 BadDeviceToken")),
    Row("other-topic", apns_error(400, "DeviceTokenNotForTopic"), Gone("400 DeviceTokenNotForTopic")),
    *(
        Row(f"setting-{reason}", apns_error(400, reason), Paused(f"400 {reason}"))
        for reason in ("BadTopic", "MissingTopic", "TopicDisallowed")
    ),
    *(
        Row(f"refused-{reason}", apns_error(400, reason), Refused(f"400 {reason}"))
        for reason in ("BadCollapseId", "BadMessageId", "PayloadEmpty", "BadPriority")
    ),
    *(
        Row(f"sender-{reason}", apns_error(403, reason), Paused(f"403 {reason}"))
        for reason in ("InvalidProviderToken", "MissingProviderToken", "ExpiredProviderToken", "Forbidden")
    ),
    Row("bad-path", apns_error(404, "BadPath"), Refused("404 BadPath")),
    Row("bad-method", apns_error(405, "MethodNotAllowed"), Refused("405 MethodNotAllowed")),
    Row("too-large", apns_error(413, "PayloadTooLarge"), Refused("413 PayloadTooLarge")),
    Row("redirect", redirect("https://127.0.0.1:1/admin"), Paused("307")),
    Row("idle", apns_error(400, "IdleTimeout"), Later("400 IdleTimeout")),
    Row("too-many", apns_error(429, "TooManyRequests"), Later("429 TooManyRequests")),
    Row(
        "too-many-wait",
        replace(apns_error(429, "TooManyRequests"), headers=WAIT_7),
        Later("429 TooManyRequests", 7),
    ),
    Row(
        "too-many-tokens",
        apns_error(429, "TooManyProviderTokenUpdates"),
        Later("429 TooManyProviderTokenUpdates"),
    ),
    Row("internal", apns_error(500, "InternalServerError"), Later("500 InternalServerError", QUARTER_HOUR_S)),
    Row("down", DOWN, Later("503 ServiceUnavailable", QUARTER_HOUR_S)),
    Row("down-wait", replace(DOWN, headers=WAIT_7), Later("503 ServiceUnavailable", 7)),
    Row("shutdown", apns_error(503, "Shutdown"), Later("503 Shutdown", QUARTER_HOUR_S)),
]
