"""The benchmark of the store measures what it says, and a batch is worth it on every store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import store as bench
from tests.support.couchbase_mock import CouchbaseMock

LEAST_SAVING = 1.5  # of CPU time a document, in a batch of 100; measured are 5 to 25


def test_a_batch_takes_less_cpu_time_for_a_document_on_every_store(
    shared_couchbase: CouchbaseMock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "new" / "store.json"
    bench.main(["--repeat", "1", "--documents", "200", "--results", str(results)])

    rows = {(row["store"], row["call"]): row for row in json.loads(results.read_text())["rows"]}
    stores = {store for store, _ in rows}
    assert stores == {"SQLite", "mock, no copies", "mock, polled"}
    assert len(rows) == len(stores) * (len(bench.BATCHES) + len(bench.PAGES))
    table = capsys.readouterr().out
    for each in stores:
        assert table.count(f"{each:>21}") == len(bench.BATCHES) + len(bench.PAGES)
        assert rows[each, "write 1"]["times_less_cpu"] == 1
        assert rows[each, "write 100"]["times_less_cpu"] >= LEAST_SAVING
