"""What the stack says on its standard output: its own lines, and the parts' lines under their names."""

from __future__ import annotations

import json
import logging
import sys
import threading
from typing import Literal, TextIO

from config.logging import timestamp

LONGEST_LINE = 64 * 1024  # a line without an end is cut there


class Voice:
    """Writes whole lines, from any thread; goes on in silence when nobody reads any more."""

    def __init__(self, form: Literal["text", "json"], width: int, stream: TextIO | None = None) -> None:
        self._form = form
        self._width = width
        self._stream = stream or sys.stdout
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Write a line of the stack itself."""
        self._write(text if self._form == "text" else _json_line("stack", text))

    def pass_on(self, part: str, line: str) -> None:
        """Write a line that a part has written."""
        if self._form == "text":
            self._write(f"{part:<{self._width}} | {line}")
        elif line.startswith("{"):
            self._write(f'{{"part": {json.dumps(part)}, {line[1:]}')
        else:
            self._write(_json_line(part, line))

    def _write(self, line: str) -> None:
        with self._lock:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                pass  # the terminal is gone, and the chat is not


class Lines:
    """Cuts what comes out of a pipe into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that are complete now, without empty ones."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            whole, self._rest = [*whole, self._rest], b""
        return [line.decode(errors="replace") for line in whole if line.strip()]


def _json_line(part: str, text: str) -> str:
    time = timestamp(logging.makeLogRecord({}))
    return json.dumps({"part": part, "time": time, "level": "INFO", "logger": "workers.stack", "event": text})
