"""Log lines: an event name plus fields, in text or as JSON, and always one line a record."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from config.logging import JsonLines, TextLines, configure


@pytest.fixture
def restored_root() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.level, root.handlers[:])
    yield
    logging.captureWarnings(False)
    root.setLevel(before[0])
    root.handlers[:] = before[1]


def record(event: str, /, **fields: object) -> logging.LogRecord:
    made = logging.getLogger("chat.test").makeRecord(
        "chat.test", logging.INFO, "f", 1, event, (), None, extra=fields
    )
    made.created, made.msecs = 1_700_000_000.25, 250.0
    return made


def faulty_record() -> logging.LogRecord:
    made = record("drain failed")
    try:
        raise RuntimeError("no disk")
    except RuntimeError:
        made.exc_info = sys.exc_info()
    return made


def test_text_has_time_level_logger_event_and_fields():
    line = TextLines().format(record("joined", room="lobby", count=2))
    assert line == "2023-11-14T22:13:20.250Z INFO chat.test joined room=lobby count=2"


@pytest.mark.parametrize(
    ("value", "shown"),
    [("a b", '"a b"'), ("", '""'), ('x"y', '"x\\"y"'), ("x=y", '"x=y"'), ("x\ny", '"x\\ny"')],
)
def test_a_value_that_could_mislead_is_quoted(value: str, shown: str):
    assert TextLines().format(record("joined", room=value)).endswith(f" joined room={shown}")


def test_an_event_can_not_forge_a_line():
    line = TextLines().format(record("joined\n2023 INFO x"))
    assert line.endswith("joined\\n2023 INFO x")


def test_text_ends_with_the_traceback():
    lines = TextLines().format(faulty_record()).splitlines()
    assert lines[0].endswith("drain failed")
    assert lines[-1] == "RuntimeError: no disk"


def test_json_is_one_line_with_the_fields_beside_the_event():
    line = JsonLines().format(record("joined\nx", room="lobby", who={"id": 1}, other=object))
    assert "\n" not in line
    read = json.loads(line)
    assert read.pop("other") == str(object)
    assert read == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "INFO",
        "logger": "chat.test",
        "event": "joined\nx",
        "room": "lobby",
        "who": {"id": 1},
    }


def test_json_keeps_the_traceback_in_one_field():
    read = json.loads(JsonLines().format(faulty_record()))
    assert read["trace"].endswith("RuntimeError: no disk")


def test_a_field_does_not_replace_the_event():
    assert json.loads(JsonLines().format(record("joined", event="other")))["event"] == "joined"


def test_configure_sends_the_level_and_up_to_stderr_once(capsys: pytest.CaptureFixture[str], restored_root: None):
    configure("INFO", "text")
    configure("WARNING", "json")
    logging.getLogger("chat.test").info("quiet")
    logging.getLogger("chat.test").warning("loud", extra={"room": "lobby"})
    output = capsys.readouterr()
    assert output.out == ""
    [line] = output.err.splitlines()
    assert json.loads(line)["room"] == "lobby"
