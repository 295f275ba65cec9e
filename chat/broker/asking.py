"""Commands in one round trip, scripts among them, over whatever connections the asker has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import redis

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
    """Sends commands that may be repeated, and returns a reply for each; a script that Redis lacks is sent whole.

    Raises what redis-py raises, or OSError.
    """

    def ask(self, commands: Sequence[Command]) -> list[Any]: ...


class PipelineAsking:
    """Asks by pipelines of a redis-py client, which bring scripts to Redis by themselves."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Ask as `Asking` says."""
        pipeline = self._client.pipeline(transaction=False)
        for each in commands:
            if each.script is not None:
                pipeline.scripts.add(self._client.register_script(each.script.source))
            pipeline.execute_command(*each.words)
        replies: list[Any] = pipeline.execute()
        return replies
