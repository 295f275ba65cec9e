"""FCM's answers, and those of the token endpoint."""

from __future__ import annotations

from dataclasses import replace

from chat.push.base import Delivered, Gone, Later, Paused, Refused
from tests.support.push.fcm_server import UNREGISTERED, fcm_error
from tests.support.push.rows import Row
from tests.support.push.script import Answer, redirect

WAIT_7 = {"retry-after": "7"}
BAD = "INVALID_ARGUMENT"
QUOTA = fcm_error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")
DOWN = fcm_error(503, "UNAVAILABLE", "UNAVAILABLE")
WRONG_TOKEN = "The registration token is not a valid FCM registration token"

ROWS = [
    Row("taken", Answer(200, {"name": "projects/chat/messages/1"}), Delivered()),
    Row("unregistered", UNREGISTERED, Gone("404 UNREGISTERED")),
    Row("other-sender", fcm_error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"), Gone("403 SENDER_ID_MISMATCH")),
    Row("bad-token-in-words", fcm_error(400, BAD, BAD, WRONG_TOKEN), Gone(f"400 {BAD} token")),
    Row("bad-token-by-field", fcm_error(400, BAD, BAD, field="message.token"), Gone(f"400 {BAD} token")),
    Row("bad-field", fcm_error(400, BAD, BAD, field="message.data[0].value"), Refused(f"400 {BAD}")),
    Row(
        "bad-field-in-words-of-a-token",
        fcm_error(400, BAD, BAD, WRONG_TOKEN, "message.data[0].value"),
        Refused(f"400 {BAD}"),
    ),
    Row("bad-something", fcm_error(400, BAD), Refused(f"400 {BAD}")),
    Row("too-large", Answer(413), Refused("413")),
    Row("unauthenticated", fcm_error(401, "UNAUTHENTICATED"), Paused("401 UNAUTHENTICATED")),
    Row(
        "third-party",
        fcm_error(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
        Paused("401 THIRD_PARTY_AUTH_ERROR"),
    ),
    Row("forbidden", fcm_error(403, "PERMISSION_DENIED"), Paused("403 PERMISSION_DENIED")),
    Row("no-project", fcm_error(404, "NOT_FOUND"), Paused("404 NOT_FOUND")),
    Row("redirect", redirect("https://127.0.0.1:1/admin"), Paused("307")),
    Row("quota", QUOTA, Later("429 QUOTA_EXCEEDED", 60)),
    Row("quota-wait", replace(QUOTA, headers=WAIT_7), Later("429 QUOTA_EXCEEDED", 7)),
    Row("quota-wait-none", replace(QUOTA, headers={"retry-after": "0"}), Later("429 QUOTA_EXCEEDED", 0)),
    Row("unavailable", DOWN, Later("503 UNAVAILABLE")),
    Row("unavailable-wait", replace(DOWN, headers=WAIT_7), Later("503 UNAVAILABLE", 7)),
    Row("internal", fcm_error(500, "INTERNAL", "INTERNAL"), Later("500 INTERNAL")),
    Row("bad-gateway", Answer(502, b"<html>"), Later("502")),
]

GRANT_ROWS = [
    Row("invalid-grant", Answer(400, {"error": "invalid_grant"}), Paused("oauth 400 invalid_grant")),
    Row("invalid-client", Answer(401, {"error": "invalid_client"}), Paused("oauth 401 invalid_client")),
    Row("forbidden", Answer(403), Paused("oauth 403")),
    Row("not-found", Answer(404), Paused("oauth 404")),
    Row("redirect", redirect("https://127.0.0.1:1/admin"), Paused("oauth 307")),
    Row("too-many", Answer(429, headers=WAIT_7), Later("oauth 429", 7)),
    Row("broken", Answer(500), Later("oauth 500")),
    Row("unavailable", Answer(503, headers=WAIT_7), Later("oauth 503", 7)),
    Row("no-token", Answer(200, {"token_type": "Bearer"}), Later("oauth 200")),
    Row("no-json", Answer(200, b"<html>"), Later("oauth 200")),
]
