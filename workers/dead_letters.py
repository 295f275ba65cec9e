"""`python -m workers.dead_letters list | redrive | drop`: what was given up, for an operator."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice

from kombu.exceptions import OperationalError

from chat.broker.dead_letters import DeadLetter, DeadLetters
from chat.broker.log import RedisRoomLog
from chat.broker.wake import wake_drain
from chat.errors import ChatError
from chat.services.cold_start import ColdStart
from config.env import SettingError
from config.settings import load_settings
from tasks.context import WorkContext, open_context
from workers import push_letters

SHOWN_LENGTH = 60  # of a message's text, in the list for people


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        context = open_context(load_settings(os.environ))
        return Command(context).run(asked)
    except (SettingError, ChatError) as fault:
        print(fault, file=sys.stderr)
        return 2


class Command:
    """One run of the command."""

    def __init__(self, context: WorkContext) -> None:
        settings = context.settings
        self._context = context
        self._letters = DeadLetters(
            context.client,
            outbox_limit=settings.limits.outbox_limit,
            log_length=settings.path.log_length,
            give_up_s=settings.path.give_up_s,
        )
        self._pushes = push_letters.PushLetters(context)
        self._cold_start = ColdStart(RedisRoomLog(context.client), context.store)

    def run(self, asked: argparse.Namespace) -> int:
        """Do what was asked for; 1 when a letter was not found or could not be re-driven."""
        if asked.verb == "list":
            return self._list_pushes(asked) if asked.pushes else self._list(asked.limit, asked.json)
        if asked.verb == "redrive" and asked.all_pushes:
            return max((self._told(*each) for each in self._pushes.redrive_all()), default=0)
        if asked.id and asked.id.startswith(push_letters.PREFIXES):
            is_drop = asked.verb == "drop"
            return self._told(asked.id, (self._pushes.drop if is_drop else self._pushes.redrive)(asked.id))
        if asked.verb == "drop":
            return self._told(asked.id, "dropped" if self._letters.drop(asked.id) else "not found")
        if asked.all:
            return self._redrive(list(self._letters.read()))
        letter = self._letters.find(asked.id)
        return self._redrive([letter]) if letter else self._told(asked.id, "not found")

    def _list(self, limit: int, is_json: bool) -> int:
        for letter in islice(self._letters.read(), limit):
            print(json.dumps(_fields(letter)) if is_json else _line(letter))
        return 0

    def _list_pushes(self, asked: argparse.Namespace) -> int:
        for letter in self._pushes.shown(asked.limit):
            print(json.dumps(push_letters.fields(letter)) if asked.json else push_letters.line(letter))
        return 0

    def _redrive(self, letters: Iterable[DeadLetter]) -> int:
        codes = [self._told(each.letter_id, self._redrive_one(each)) for each in letters]
        self._wake()
        return max(codes, default=0)

    def _redrive_one(self, letter: DeadLetter) -> str:
        try:
            return self._letters.redrive(letter, self._cold_start.warm)
        except ChatError as exc:
            return f"failed: {exc}"

    def _wake(self) -> None:
        from workers.celery_app import app

        try:
            wake_drain(self._context.client, lambda: app.send_task("tasks.persist.drain", retry=False))
        except (ChatError, OperationalError) as exc:
            print(f"the drain was not woken ({exc}); a worker does it within seconds", file=sys.stderr)

    def _told(self, letter_id: str, outcome: str) -> int:
        print(f"{letter_id} {outcome}")
        return 0 if outcome in ("accepted", "superseded", "dropped") else 1


def _fields(letter: DeadLetter) -> dict[str, object]:
    return {
        "id": letter.letter_id,
        "room_id": letter.room_id,
        "sender_id": letter.sender_id,
        "temp_id": letter.temp_id,
        "code": letter.code,
        "text": letter.text,
        "accepted_at": _time(letter.accepted_ms),
        "failed_at": _time(letter.at_ms),
        "message": letter.members.decode(errors="replace"),
    }


def _line(letter: DeadLetter) -> str:
    message = letter.members.decode(errors="replace")[:SHOWN_LENGTH]
    origin = f"{letter.room_id} {letter.sender_id} {letter.temp_id}"
    return f"{letter.letter_id} {_time(letter.at_ms)} {letter.code} {origin} {message!a}"


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers.dead_letters", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    listing = verbs.add_parser("list", help="show the letters, the oldest of each shard first")
    listing.add_argument("--limit", type=int, default=100)
    listing.add_argument("--pushes", action="store_true", help="notifications in place of messages")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    redrive = verbs.add_parser("redrive", help="accept the message again, or have the device notified")
    which = redrive.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", metavar="ID")
    which.add_argument("--all", action="store_true", help="every message")
    which.add_argument("--all-pushes", action="store_true", help="every notification")
    verbs.add_parser("drop", help="remove a letter for good").add_argument("id", metavar="ID")
    return parser


if __name__ == "__main__":
    sys.exit(main())
