"""Commands in one round trip, scripts among them, over whatever connections the asker has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import redis
from redis.exceptions import NoScriptError

from chat.broker.scripts import Script

Word = bytes | str | int


class Command(NamedTuple):
    """What is sent; `script` is the one whose digest it names."""

    words: tuple[Word, ...]
    script: Script | None = None

    def in_full(self) -> Command:
        """Return the same with the script's source, for a Redis that does not have it."""
        if self.script is None:
            return self
        return Command((b"EVAL", self.script.source, *self.words[2:]))


def script_call(script: Script, keys: Sequence[str], arguments: Iterable[Word]) -> Command:
    """Return the call of a script."""
    return Command((b"EVALSHA", script.digest, len(keys), *keys, *arguments), script)


class Asking(Protocol):
    """Sends commands that may be repeated, and returns a reply for each.

    From the first script on that Redis does not have, all are sent once more, in order and with the source.
    Raises what redis-py raises, or OSError.
    """

    def ask(self, commands: Sequence[Command]) -> list[Any]: ...


class PipelineAsking:
    """Asks by pipelines of a redis-py client."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Ask as `Asking` says."""
        replies = self._sent(commands)
        lost = next((place for place, reply in enumerate(replies) if isinstance(reply, NoScriptError)), None)
        if lost is not None:
            replies[lost:] = self._sent([each.in_full() for each in commands[lost:]])
        for reply in replies:
            if isinstance(reply, redis.RedisError):
                raise reply
        return replies

    def _sent(self, commands: Sequence[Command]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for each in commands:
            pipeline.execute_command(*each.words)
        replies: list[Any] = pipeline.execute(raise_on_error=False)
        return replies
