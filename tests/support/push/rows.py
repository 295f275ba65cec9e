"""The failure tables, row by row: what a provider answers and what that means, for unit tests and stand-ins."""

from __future__ import annotations

from dataclasses import dataclass

from chat.push.base import Result
from tests.support.push.script import Answer


@dataclass(frozen=True)
class Row:
    """One answer with its meaning."""

    name: str
    answer: Answer
    result: Result
