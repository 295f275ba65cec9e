"""The supervisor's configuration, and the few of its log lines that are told."""

from __future__ import annotations

from configparser import RawConfigParser

import pytest

from workers.parts import Part
from workers.supervision import Interpreter, ini_text

PARTS = [
    Part("valkey", "data", ("valkey-server",), stop_wait_s=4),
    Part("beat", "jobs", ("celery",)),
    Part("web-1", "web", ("python",)),
    Part("web-2", "web", ("python",)),
]


@pytest.fixture
def ini() -> RawConfigParser:
    parser = RawConfigParser()
    parser.read_string(ini_text(PARTS, {part.name: f"/pipe/{part.name}" for part in PARTS}))
    return parser


def test_every_part_is_started_through_the_wrapper_and_always_again(ini: RawConfigParser):
    for part in PARTS:
        section = ini[f"program:{part.name}"]
        assert section["command"].endswith(f" -m workers.part {part.name}")
        assert section["autorestart"] == "true"
        assert section["stdout_logfile"] == f"/pipe/{part.name}"
        assert section["stopwaitsecs"] == str(part.stop_wait_s)


def test_web_stops_first_and_data_last(ini: RawConfigParser):
    ranks = {name: int(ini[f"group:{name}"]["priority"]) for name in ("web", "jobs", "data")}
    assert ranks["web"] > ranks["jobs"] > ranks["data"]
    assert ini["group:web"]["programs"] == "web-1,web-2"


def test_a_group_without_parts_is_left_out():
    assert "group:data" not in ini_text(PARTS[1:], {part.name: "/pipe" for part in PARTS})


def told(*lines: str) -> list[str]:
    interpreter = Interpreter()
    return [said for line in lines if (said := interpreter.read(f"2026-11-23 05:43:01,509 {line}"))]


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("terminated by SIGKILL; not expected", "SIGKILL"),
        ("exit status 1; not expected", "exit status 1"),
        ("exit status 0; expected", "exit status 0"),
        ("Exited too quickly (process log may have details); not expected", "right after its start"),
    ],
)
def test_a_death_is_told_when_the_part_is_started_again(reason: str, shown: str):
    death = f"WARN exited: beat ({reason})"
    assert told(death) == []
    assert told(death, "INFO spawned: 'beat' with pid 12") == [f"beat died ({shown}), started again"]


def test_a_first_start_is_not_told():
    assert told("INFO spawned: 'beat' with pid 12", "INFO success: beat entered RUNNING state") == []


def test_a_stop_is_not_told_and_a_kill_is():
    assert told("INFO waiting for beat to stop", "INFO stopped: beat (terminated by SIGTERM)") == []
    assert told(*["WARN killing 'beat' (12) with SIGKILL"] * 2) == ["beat did not stop in time and was killed"]


def test_faults_of_the_supervisor_are_told():
    assert told("CRIT no disk", "INFO gave up: beat entered FATAL state") == [
        "no disk",
        "gave up: beat entered FATAL state",
    ]
