"""The page's modules without the page, under Node's own test runner: see tests/node/*.test.mjs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "node"
FILES = sorted(FOLDER.glob("*.test.mjs"))


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node, 18 or newer")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_modules_of_the_page_pass_their_own_tests(file: Path) -> None:
    done = subprocess.run(["node", "--test", file], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    counts = dict(line.removeprefix("# ").split() for line in done.stdout.splitlines() if line.startswith("# pass"))
    assert int(counts.get("pass", "1")) > 0  # a newer Node writes another format when it likes
