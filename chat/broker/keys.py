"""Every Redis key and channel of the chat, built in one place.

A room belongs to one of `SHARDS` shards; keys that one script touches carry the shard as hash tag
(`chat:log:{7}:room456`), so the same scripts run on one Redis, behind Sentinel and on Redis Cluster.
Ids are checked before they get here (`chat.model.ids`), so none holds `:` or a brace.
"""

from __future__ import annotations

from functools import lru_cache
from zlib import crc32

SHARDS = 16  # enough to spread over a Cluster's nodes; few enough to read all of them in one pipeline
GROUP = "drain"  # the consumer group on every outbox

DRAIN_LEASE = "chat:drain:lease"
USER_CHANNEL_PREFIX = "chat:user:"


def shard_of(room_id: str) -> int:
    """Return the shard of a room, 0 <= shard < SHARDS."""
    return crc32(room_id.encode()) % SHARDS


@lru_cache(maxsize=65_536)
def tag(room_id: str) -> str:
    """Return the hash tag of a room with the room behind it: `{7}:room456`."""
    return f"{{{shard_of(room_id)}}}:{room_id}"


def head(room_id: str) -> str:
    """Hash `seq`, `offset`, `epoch`: where the room's numbering and log stand."""
    return f"chat:head:{tag(room_id)}"


def log(room_id: str) -> str:
    """Stream of the room's durable events, entry id = offset."""
    return f"chat:log:{tag(room_id)}"


def dedupe(room_id: str, sender_id: str, temp_id: str) -> str:
    """String `seq epoch entry` (or `failed …`) of the message that a temp id became; lives 24 h."""
    return f"chat:dedupe:{tag(room_id)}:{sender_id}:{temp_id}"


def read(room_id: str) -> str:
    """Hash user -> `read_seq shown_seq ms`: how far the room's members have read, as far as Redis was asked."""
    return f"chat:read:{tag(room_id)}"


def removed(room_id: str) -> str:
    """Sorted set of the room's numbers that stand for no message any more."""
    return f"chat:removed:{tag(room_id)}"


def unstored(shard: int) -> str:
    """Hash of what the store has to be told: `ROOM USER` -> cursor, `ROOM #SEQ` for a removed number."""
    return f"chat:unstored:{{{shard}}}"


def outbox(shard: int) -> str:
    """Stream of the messages that wait to be stored."""
    return f"chat:outbox:{{{shard}}}"


def partial(shard: int) -> str:
    """Hash of the settled messages (`entry:seq`) of outbox entries that are not settled as a whole yet."""
    return f"chat:partial:{{{shard}}}"


def dead(shard: int) -> str:
    """Stream of dead letters: messages that were given up, kept until an operator re-drives them."""
    return f"chat:dead:{{{shard}}}"


def announced(room_id: str, subject: str) -> str:
    """String: the newest revision of a room or message that was told to the room; lives 1 h."""
    return f"chat:announced:{tag(room_id)}:{subject}"


def intents(shard: int) -> str:
    """Sorted set of changes that are about to be stored and then told, score = ms since 1970."""
    return f"chat:intents:{{{shard}}}"


def stats(shard: int) -> str:
    """Hash of counters that scripts keep: `accepted`, `confirmed`, `retracted`."""
    return f"chat:stats:{{{shard}}}"


WORK_STATS = "chat:stats:work"  # hash of counters that workers keep: `store_round_trips`, `drain_tasks`
MEMBERS_CHANNEL = (
    "chat:members"  # pub/sub, heard by every server: who is in which room now, and who is not any more
)
STORE_FAULT = "chat:store:fault"  # string: why no message can be stored before an operator mends it; 10 s
NODES = "chat:nodes"  # hash node id -> what that server holds, as JSON; rows older than 10 min are dropped


RECONCILE_CURSOR = "chat:reconcile:cursor"  # string: where the next comparison of caches with the store goes on
RECOUNT = "chat:recount"  # hash of counters to count anew: `r ROOM`, `s`/`m USER ROOM`, `u USER` -> a mark
THREADS = "chat:threads"  # hash of messages whose replies have changed and are to be counted: id -> a mark
THREADS_LEASE = "chat:threads:lease"  # like DRAIN_LEASE, of the task that counts them
SEEN_LEASE = "chat:seen:lease"  # like DRAIN_LEASE, of the task that stores cursors
RECOUNT_LEASE = "chat:recount:lease"  # and of the one that counts anew
RECONCILE_AT = "chat:reconcile:at"  # string: up to where the keys were looked through for counters to check

REVOKED = "chat:revoked"  # sorted set of users, score = ms since 1970: tokens issued up to then are refused
CONTROL_CHANNEL = "chat:control"  # pub/sub, heard by every server: revocations


def ticket(digest: str) -> str:
    """String: the identity that a single-use ticket stands for, under the ticket's SHA-256; 30 s."""
    return f"chat:ticket:{digest}"


def room_channel(room_id: str) -> str:
    """Pub/sub channel of a room's events."""
    return f"chat:room:{tag(room_id)}"


def user_channel(user_id: str) -> str:
    """Pub/sub channel of what only one user's connections see."""
    return f"{USER_CHANNEL_PREFIX}{user_id}"


def node_channel(node_id: str) -> str:
    """Pub/sub channel on which a server hears its own heartbeat."""
    return f"chat:node:{node_id}"


def room_members(room_id: str) -> str:
    """Public key: set of the room's members, 1800 s."""
    return f"chat:room_members:{room_id}"


def user_rooms(user_id: str) -> str:
    """Public key: set of the user's rooms, 1800 s."""
    return f"chat:user_rooms:{user_id}"


def mark_of(cached: str) -> str:
    """String beside a cached set, in its slot: changes with the set's truth, so that no old reading fills it."""
    return f"chat:mark:{{{cached}}}"


def counted(room_id: str) -> str:
    """Set of the users who have a counter for the room: whom the next message makes stale; 3600 s."""
    return f"chat:counted:{room_id}"


def unread(user_id: str, room_id: str) -> str:
    """Public key: how many messages of the room the user has not read, 3600 s."""
    return f"chat:unread:{user_id}:{room_id}"


def total_unread(user_id: str) -> str:
    """Public key: how many messages the user has not read in all, 3600 s."""
    return f"chat:total_unread:{user_id}"


def typing(room_id: str, user_id: str) -> str:
    """Public key: the user types in the room, 3 s."""
    return f"chat:typing:{room_id}:{user_id}"


def msg_temp(temp_id: str) -> str:
    """Public key: the optimistic message as JSON, 60 s."""
    return f"chat:msg_temp:{temp_id}"


def rate(user_id: str) -> str:
    """String: until when the messages a user sent through all servers are paid for; lives seconds."""
    return f"chat:rate:{user_id}"


PRESENCE_CHANNEL = "chat:presence"  # pub/sub, heard by every server: who came online, left a room, went offline


def presence_lease(user_id: str) -> str:
    """Sorted set of the servers that hold the user's connections, score = when each lease ends (ms)."""
    return f"chat:presence:lease:{tag(user_id)}"


def presence_rooms(user_id: str) -> str:
    """Hash room -> the servers with which the user is in it; the rooms that were told the user is online."""
    return f"chat:presence:rooms:{tag(user_id)}"


def presence_due(shard: int) -> str:
    """Sorted set of the users who are online, score = when the last lease ends (ms)."""
    return f"chat:presence:due:{{{shard}}}"


def online(user_id: str) -> str:
    """Public key: the user's name, present while any connection of the user lives, 300 s."""
    return f"chat:online:{user_id}"


def last_seen(user_id: str) -> str:
    """Public key: when the user was last online, 86400 s."""
    return f"chat:last_seen:{user_id}"


def connection(connection_id: str) -> str:
    """Public key: hash `user`, `server` of a connection, 300 s."""
    return f"chat:connection:{connection_id}"


def room_online(room_id: str) -> str:
    """Public key: set of who is online in the room, 300 s."""
    return f"chat:room_online:{room_id}"


# Rooms with news that nobody has looked at for pushes yet; one script touches all five.
PUSH_NEWS = "chat:push:news:{news}"  # sorted set room -> when it is looked at (ms)
PUSH_FROM = "chat:push:from:{news}"  # sorted set room -> lowest number not looked at
PUSH_UPTO = "chat:push:upto:{news}"  # sorted set room -> highest number that is stored
PUSH_AGAIN = "chat:push:again:{news}"  # sorted set room -> when it is looked at once more (ms)
PUSH_SPANS = "chat:push:spans:{news}"  # hash room -> which numbers that look, and the one behind it, is about
PUSH_LOOKS = "chat:push:looks:{news}"  # sorted set of looks under way, `ROOM FROM UPTO TURN` -> when they are lost
PUSH_LEASE = "chat:push:lease"  # like DRAIN_LEASE, of the task that looks
PUSH_STOPPED = "chat:push:stopped"  # sorted set of the providers that are left alone -> until when (ms)
PUSH_DEVICES = "chat:push:devices"  # sorted set device -> when it was last registered (ms)


def push_lease(kind: str) -> str:
    """Like `PUSH_LEASE`, of the task that sends to one provider."""
    return f"chat:push:lease:{kind}"


def push_due(kind: str) -> str:
    """Sorted set of a provider's jobs (`ROOM USER DEVICE`), score = when each is due (ms)."""
    return f"chat:push:due:{{{kind}}}"


def push_jobs(kind: str) -> str:
    """Hash job -> `NOTICE SEQ TRIES FIRST_TRY BORN TOKEN`."""
    return f"chat:push:jobs:{{{kind}}}"


def push_shown(kind: str, room_id: str, user_id: str) -> str:
    """Hash device -> `SEQ MS GIVEN_UP`: up to which message of the room it was notified, and when; lives a day."""
    return f"chat:push:shown:{{{kind}}}:{room_id}:{user_id}"


def push_dead(kind: str) -> str:
    """Stream of notifications that were given up, the newest 10,000."""
    return f"chat:push:dead:{{{kind}}}"


def push_circuit(name: str) -> str:
    """Hash `fails`, `opens`, `until`, `reason`: whether a provider (`fcm`, `webpush@HOST`) is asked."""
    return f"chat:push:circuit:{name}"


def push_has(user_id: str) -> str:
    """String "1" or "0": whether the user has devices; lives a day."""
    return f"chat:push:has:{user_id}"


def push_result(device_id: str) -> str:
    """String: what became of the last push to a device, as JSON; lives 30 days."""
    return f"chat:push:result:{device_id}"


def push_test(token: str) -> str:
    """List: the results of one test push, as JSON; lives a minute."""
    return f"chat:push:test:{token}"
