"""Who may do what in which room: one row an operation, one letter a person, for each type of room.

Operations are the events that a WebSocket takes and the routes of the HTTP API, by the names of the code itself, so
that a new one without a row is found. What is behind a `#` makes another row of the same operation.
"""

from __future__ import annotations

from typing import NamedTuple

OK = "ok"
ANSWERS = {  # a letter of a row: the code of the refusal
    "+": OK,
    "f": "forbidden",
    "m": "not-a-member",
    "l": "last-owner",
    "x": "room-not-found",
    "d": "device-not-found",
}
MEMBERS = ("owner", "admin", "member")  # the message that is meant was written by `member`
OUTSIDERS = ("stranger", "removed", "platform")  # `platform`: a token with `admin: true`
PEOPLE = (*MEMBERS, *OUTSIDERS, "revoked", "nobody")
ROOMS = ("group", "channel", "direct", "deleted", "unknown")


class Row(NamedTuple):
    """Letters for owner, admin, member and outsiders in a group; other rooms only where they differ.

    In a direct room there are two people: `owner` and `admin` are both the other one than `member`. Whoever was in
    a room that is deleted is nobody there any more.
    """

    group: str
    direct: str = ""
    channel: str = ""
    gone: str = "x"  # deleted and unknown rooms


def free(answers: str = "++++") -> Row:
    """Return the row of an operation that is about no room."""
    return Row(answers, answers, answers, answers)


ALL = Row("+++m")
MANAGE = Row("++fm", "fffm")
OWNERS = Row("+ffm", "fffm")

EVENTS: dict[str, Row] = {
    "authenticate": free(),
    "heartbeat": free(),
    "get-unread-counts": free(),
    "get-presence": free(),
    "join-chat-rooms": Row("+++m", channel="++++"),
    "leave-chat-rooms": free(),  # what one is not in is not left
    "send-chat-message": ALL,
    "get-messages": ALL,
    "get-send-fate": ALL,
    "get-replies": ALL,
    "chat-typing": ALL,
    "mark-messages-seen": ALL,
    "react-chat-message": ALL,
    "edit-chat-message": Row("ff+m"),
    "delete-chat-message": Row("+++m", "ff+m"),
}

V1 = "/api/v1"
ROOM, MEMBER, MESSAGE = (
    f"{V1}/rooms/<room_id>",
    f"{V1}/rooms/<room_id>/members/<user_id>",
    f"{V1}/messages/<message_id>",
)
ROUTES: dict[str, Row] = {
    f"POST {V1}/rooms": free(),
    f"GET {V1}/rooms": free(),
    f"GET {ROOM}": ALL,
    f"PATCH {ROOM}": MANAGE,
    f"DELETE {ROOM}": OWNERS,
    f"PUT {MEMBER}": MANAGE,
    f"PUT {MEMBER}#a new admin": OWNERS,
    f"PUT {MEMBER}#a new owner": OWNERS,
    f"PUT {MEMBER}#another made an admin": OWNERS,
    f"PUT {MEMBER}#another made an owner": OWNERS,
    f"PUT {MEMBER}#oneself": Row("+++m", "fffm", channel="++++"),
    f"PUT {MEMBER}#oneself as an owner": Row("+ffm", "fffm"),
    f"DELETE {MEMBER}": MANAGE,
    f"DELETE {MEMBER}#an admin": Row("+ffm", "fffm"),
    f"DELETE {MEMBER}#the only owner": Row("lffm", "fffm"),
    f"DELETE {MEMBER}#oneself": Row("l++m", "fffm"),
    f"GET {ROOM}/messages": ALL,
    f"POST {ROOM}/messages": ALL,
    f"GET {ROOM}/seen": ALL,
    f"POST {ROOM}/seen": ALL,
    f"PATCH {MESSAGE}": EVENTS["edit-chat-message"],
    f"DELETE {MESSAGE}": EVENTS["delete-chat-message"],
    f"POST {MESSAGE}/reactions": ALL,
    f"GET {MESSAGE}/edits": EVENTS["delete-chat-message"],
    f"GET {MESSAGE}/seen": ALL,
    f"GET {MESSAGE}/replies": ALL,
    f"GET {ROOM}/pins": ALL,
    f"PUT {ROOM}/pins/<message_id>": Row("++fm", "+++m"),
    f"DELETE {ROOM}/pins/<message_id>": Row("++fm", "+++m"),
    f"GET {V1}/unread": free(),
    f"GET {V1}/presence": free(),
    f"GET {V1}/me": free(),
    f"PATCH {V1}/me": free(),
    f"GET {V1}/me/push": free(),
    f"PATCH {V1}/me/push": free(),
    f"GET {ROOM}/push": ALL,
    f"PUT {ROOM}/push": ALL,
    f"GET {V1}/devices": free(),
    f"POST {V1}/devices": free(),
    f"GET {V1}/devices/webpush-key": free(),
    f"POST {V1}/devices/test": free(),  # nobody here has a device
    f"DELETE {V1}/devices/<device_id>": free("dddd"),  # another's
    f"POST {V1}/ws-ticket": free(),
    # for who has `admin: true` alone, see `expected`
    f"POST {V1}/admin/revocations": free("ffff"),
    f"GET {V1}/admin/users/<user_id>/devices": free("ffff"),
    f"GET {V1}/admin/dead-letters": free("ffff"),
    f"POST {V1}/admin/dead-letters/<letter_id>/redrive": free("ffff"),
    f"DELETE {V1}/admin/dead-letters/<letter_id>": free("ffff"),
}
FOR_EVERYBODY = {  # also without a token
    "GET /",
    "GET /assets/<name>",
    "GET /healthz",
    "GET /metrics",
    "GET /readyz",
    "GET /stats",
    "GET /sw.js",
    f"GET {V1}/asyncapi.json",
    f"GET {V1}/openapi.json",
}
IN_DEV_ONLY = {f"POST {V1}/dev/token"}  # 404 elsewhere, for everybody
CHANGES_A_ROOM = {each for each in ROUTES if each.startswith(("PATCH", "DELETE", "PUT")) and ROOM in each}


def expected(operation: str, who: str, room: str) -> str:
    """Return what somebody is answered."""
    if who in ("revoked", "nobody"):
        return OK if operation == "authenticate" and who == "nobody" else "unauthenticated"
    if who == "platform" and f" {V1}/admin/" in operation:
        return "letter-not-found" if "<letter_id>" in operation else OK  # there is none
    row = (EVENTS | ROUTES)[operation]
    place = MEMBERS.index(who) if who in MEMBERS else 3
    if room in ("deleted", "unknown"):
        return ANSWERS[row.gone[min(place, len(row.gone) - 1)]]
    return ANSWERS[(getattr(row, room) or row.group)[place]]
