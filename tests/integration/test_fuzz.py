"""A small part of `make fuzz`, with a new seed in each run; a failure names the input."""

from __future__ import annotations

import random

from tests.fuzz.inputs import inputs
from tests.fuzz.live import serve_all
from tests.fuzz.reading import read_all

READ, SENT = 6000, 300


def test_no_input_makes_the_reader_or_the_codec_raise() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    told = read_all(inputs(seed, READ), READ)
    print(f"\nseed {seed}: {dict(told)}")
    assert told["inputs"] == READ
    for outcome in ("command", "refused", "Binary", "Ping", "Closed", "Fault 1002", "Fault 1007", "Fault 1009"):
        assert told[outcome] > 0, outcome


def test_no_input_disturbs_a_server_or_its_other_clients() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    told = serve_all(inputs(seed, SENT), SENT)
    print(f"\nseed {seed}: {dict(told)}")
    assert told["sent to /ws"] == told["sent to /ws/echo"] == SENT // 2
