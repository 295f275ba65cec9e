"""Log lines of an event name plus fields: `log.info("joined", extra={"room": room_id})`."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Literal

_BARE_RECORD = logging.LogRecord("", 0, "", 0, "", (), None)
OWN_ATTRIBUTES = frozenset(_BARE_RECORD.__dict__) | {"message", "asctime", "taskName"}


def configure(level: str, format: Literal["text", "json"]) -> None:
    """Send everything from `level` up to stderr, one line a record; a second call replaces the first."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if format == "json" else TextLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)


class TextLines(logging.Formatter):
    """`2026-01-31T12:00:00.123Z INFO chat.gateway joined room=lobby`, a traceback on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record for a person."""
        fields = "".join(f" {name}={_plain(value)}" for name, value in fields_of(record).items())
        event = _one_line(record.getMessage())
        trace = trace_of(self, record)
        return f"{timestamp(record)} {record.levelname} {record.name} {event}{fields}" + (trace and f"\n{trace}")


class JsonLines(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `event`, the fields, and `trace` after a fault."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record for a machine."""
        line = {
            **fields_of(record),
            "time": timestamp(record),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        if trace := trace_of(self, record):
            line["trace"] = trace
        return json.dumps(line, default=str)


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """Return what was passed as `extra`."""
    return {name: value for name, value in record.__dict__.items() if name not in OWN_ATTRIBUTES}


def timestamp(record: logging.LogRecord) -> str:
    """Return the time of the record: RFC 3339, UTC, milliseconds."""
    whole_s = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{whole_s}.{int(record.msecs):03d}Z"


def trace_of(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """Return the traceback and the stack that came with the record, or nothing."""
    parts = [formatter.formatException(record.exc_info)] if record.exc_info else []
    parts += [formatter.formatStack(record.stack_info)] if record.stack_info else []
    return "\n".join(parts)


def _plain(value: object) -> str:
    """Quote what a reader could take for another field, or for another line."""
    text = str(value)
    is_plain = text.isprintable() and text and not any(mark in text for mark in ' "=')
    return text if is_plain else json.dumps(text)


def _one_line(text: str) -> str:
    """Escape line breaks and other control characters: a client's text must not forge a line."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
