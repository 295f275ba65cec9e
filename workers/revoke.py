"""`python -m workers.revoke USER …`: end users' connections and tokens, on every server."""

from __future__ import annotations

import argparse
import os
import sys

from chat.broker.client import connect
from chat.broker.revocations import RedisRevocations
from chat.errors import ChatError
from chat.model.clock import rfc3339
from chat.model.ids import is_id
from config.env import SettingError
from config.settings import load_settings
from tasks.context import redis_address


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        settings = load_settings(os.environ)
        with connect(redis_address(settings)) as client:
            revocations = RedisRevocations(client, keep_s=settings.auth.revocation_s)
            for user_id in asked.user:
                print(f"{user_id} revoked {rfc3339(revocations.revoke(user_id).at_ms)}")
    except (SettingError, ChatError) as fault:
        print(fault, file=sys.stderr)
        return 2
    return 0


def _user_id(text: str) -> str:
    if not is_id(text):
        raise argparse.ArgumentTypeError("a user id is 1 to 64 characters of A-Z a-z 0-9 _ . -")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers.revoke", description=__doc__)
    parser.add_argument("user", nargs="+", type=_user_id, metavar="USER", help="a user id")
    return parser


if __name__ == "__main__":
    sys.exit(main())
