"""Web Push's answers."""

from __future__ import annotations

from chat.push.base import Delivered, Gone, Later, Paused, Refused
from tests.support.push.rows import Row
from tests.support.push.script import Answer, redirect
from tests.support.push.webpush_service import MISMATCH

WAIT_7 = {"retry-after": "7"}
FOREIGN = "subscribed with another VAPID key"
MOZILLA = b'{"code":401,"errno":109,"error":"Unauthorized","message":"VAPID public key mismatch"}'

ROWS = [
    *(Row(f"taken-{status}", Answer(status), Delivered()) for status in (200, 201, 202, 204)),
    Row("not-found", Answer(404), Gone("404")),
    Row("gone", Answer(410), Gone("410")),
    Row("bad-request", Answer(400, b"no TTL"), Refused("400")),
    Row("unauthorized", Answer(401), Paused("401 VAPID refused")),
    Row("forbidden", Answer(403), Paused("403 VAPID refused")),
    Row("other-key-google", Answer(403, MISMATCH), Refused(f"403 {FOREIGN}")),
    Row("other-key-mozilla", Answer(401, MOZILLA), Refused(f"401 {FOREIGN}")),
    Row("other-key-apple", Answer(400, {"reason": "VapidPkHashMismatch"}), Refused(f"400 {FOREIGN}")),
    Row("too-large", Answer(413), Refused("413")),
    Row("too-many", Answer(429), Later("429")),
    Row("too-many-wait", Answer(429, headers=WAIT_7), Later("429", 7)),
    Row("throttled-microsoft", Answer(406, headers=WAIT_7), Later("406", 7)),
    Row("request-timeout", Answer(408), Later("408")),
    *(Row(f"broken-{status}", Answer(status), Later(str(status))) for status in (500, 501, 502, 503, 504)),
    Row("unavailable-wait", Answer(503, headers=WAIT_7), Later("503", 7)),
    *(
        Row(f"redirect-{status}", redirect("https://127.0.0.1:1/admin", status), Refused(f"{status} redirect"))
        for status in (301, 302, 303, 307, 308)
    ),
    Row("teapot", Answer(418), Refused("418")),
]
