"""The Autobahn test suite's case files, as the package `kosoku` ships and runs them, against `/ws/echo`.

Aside: 9 (speed and messages of up to 16 MiB), 12 and 13 (compression, which is declined).
"""

from __future__ import annotations

import asyncio
from collections import Counter

from kosoku import FailureError, run_fuzzingclient

from tests.support.echo_system import echo_system, echo_url

ASIDE = ["9.*", "12.*", "13.*"]
CASES = 247
AT_ONCE = 8  # some cases only wait
GOOD = {("OK", "OK"), ("INFORMATIONAL", "INFORMATIONAL")}


def test_every_case_passes_strictly() -> None:
    with echo_system() as server:
        results = asyncio.run(run(echo_url(server)))
        output = server.output
    verdicts = {each.case_id: (each.behavior.value, each.behavior_close.value) for each in results}
    counts = Counter(verdicts.values())
    informational = sorted(case for case, verdict in verdicts.items() if "INFORMATIONAL" in verdict)
    print(f"\n{len(results)} cases: {dict(counts)}; informational: {informational}")
    assert {case: verdict for case, verdict in verdicts.items() if verdict not in GOOD} == {}
    assert all(each.passed for each in results)
    assert len(results) == CASES
    assert "Traceback" not in output


async def run(url: str) -> list:
    try:
        return await run_fuzzingclient(url, None, ASIDE, concurrency=AT_ONCE)
    except FailureError as failure:
        return failure.results
