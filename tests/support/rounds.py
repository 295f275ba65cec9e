"""Many plain `ws` clients of Node talk in rounds; what each of them missed is counted."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NODE = Path(__file__).resolve().parents[1] / "node"
HAS_NODE = shutil.which("node") is not None and (NODE / "node_modules" / "ws").is_dir()

needs_node = pytest.mark.skipif(not HAS_NODE, reason="needs node and `npm ci --prefix tests/node`")


def talk(url: str, room: str, clients: int, rounds: int, pause_ms: int) -> dict[str, Any]:
    """Have so many clients send one message each a round, and return what they counted."""
    command = ["node", "rounds.mjs", url, room, str(clients), str(rounds), str(pause_ms), "10000"]
    done = subprocess.run(command, cwd=NODE, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def assert_nothing_was_missed(told: dict[str, Any], clients: int, rounds: int) -> None:
    """Everyone saw everything once and in order, and was told that it is durable."""
    assert told["errors"] == []
    assert told["sent"] == clients * rounds
    for figure in ("clients", "complete", "ordered", "confirmedOnce", "batchComplete"):
        assert told[figure] == clients, figure
