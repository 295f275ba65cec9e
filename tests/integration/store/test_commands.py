"""`chat.store.__main__` and `chat.store.copy_command` as an operator uses them, on SQLite and on CouchbaseMock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chat.store.base import Insert, Kind, Store
from chat.store.copy import patiently
from chat.store.couchbase.listing import couchbase_listing
from chat.store.url import open_store
from config.couchbase_url import read_couchbase
from tests.support.couchbase_bucket import MockBucket, Operation, Status
from tests.support.couchbase_mock import CouchbaseMock
from tests.support.wait import eventually

TIMEOUT_S = 60
MESSAGES = 3000
BODY = '{"text":"grüße 😀","n":%d}'


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    """The address of an SQLite file with documents of every kind."""
    url = f"sqlite:///{tmp_path}/from.db"
    with closing(open_store(url)) as store:
        fill(store)
    return url


@pytest.fixture
def target(couchbase_bucket: MockBucket) -> Iterator[Store]:
    with closing(open_store(couchbase_bucket.url)) as store:
        patiently(store.ping)  # connected: a busy machine may take longer than one call waits
        yield store


def fill(store: Store) -> None:
    messages = [Insert(Kind.MESSAGE, f"room~{n:012}", (BODY % n).encode()) for n in range(MESSAGES)]
    others = [Insert(kind, "room:with:colons", b"{}") for kind in Kind if kind is not Kind.MESSAGE]
    store.write_many([*messages, *others])


def documents(store: Store) -> dict[tuple[Kind, str], bytes]:
    keys = [f"room~{n:012}" for n in range(MESSAGES)]
    found = {(Kind.MESSAGE, key): each.body for key, each in store.get_many(Kind.MESSAGE, keys).items()}
    others = {kind: store.get(kind, "room:with:colons") for kind in Kind}
    return found | {(kind, each.key): each.body for kind, each in others.items() if each}


def start(*words: str, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "chat.store", *words],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # in the background of a script it would be ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def run(*words: str, code: int = 0, **environ: str) -> str:
    """Run a command to its end and return all that it said."""
    process = start(*words, **environ)
    said = "".join(process.communicate(timeout=TIMEOUT_S))
    assert process.returncode == code, said
    assert "secret" not in said
    return said


def test_everything_is_the_same_when_it_went_to_couchbase_and_back(
    tmp_path: Path, file_url: str, couchbase_bucket: MockBucket
) -> None:
    back_url = f"sqlite:///{tmp_path}/back.db"
    there = run("copy", file_url, "env:TO_URL", TO_URL=couchbase_bucket.url)
    assert f"message: {MESSAGES} copied, 0 there already, 0 overwritten; {MESSAGES} in both" in there
    assert "copying" in there
    assert "the same documents are in both" in run("copy", couchbase_bucket.url, back_url)
    with closing(open_store(file_url)) as one, closing(open_store(back_url)) as other:
        assert documents(one) == documents(other)
        assert len(documents(other)) == MESSAGES + len(Kind) - 1


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        (signal.SIGKILL, -signal.SIGKILL, ""),
        (signal.SIGINT, 130, "copy interrupted; start it again as it was, it goes on from there"),
    ],
)
def test_a_copy_ends_right_when_it_was_stopped_in_the_middle(
    file_url: str, couchbase_bucket: MockBucket, target: Store, how: signal.Signals, code: int, said: str
) -> None:
    stopped = start("copy", file_url, couchbase_bucket.url)
    eventually(lambda: target.get(Kind.MESSAGE, f"room~{MESSAGES // 4:012}"), TIMEOUT_S, every_s=0.005)
    stopped.send_signal(how)
    _, errors = stopped.communicate(timeout=TIMEOUT_S)
    assert (stopped.returncode, errors.splitlines()[1:]) == (code, [said] if said else [])  # below the bar
    done = len(documents(target))
    assert 0 < done < MESSAGES
    said = run("copy", file_url, couchbase_bucket.url)
    assert f"{done} there already" in said
    with closing(open_store(file_url)) as source:
        assert documents(source) == documents(target)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_copy_back_ends_right_and_leaves_nothing_behind_when_it_was_stopped_in_the_middle(
    tmp_path: Path, couchbase_bucket: MockBucket, target: Store, how: signal.Signals
) -> None:
    fill(target)
    back_url = f"sqlite:///{tmp_path}/back.db"
    with closing(open_store(back_url)) as back:
        stopped = start("copy", couchbase_bucket.url, back_url)
        some = [f"room~{n:012}" for n in range(0, MESSAGES, MESSAGES // 20)]
        eventually(lambda: back.get_many(Kind.MESSAGE, some), TIMEOUT_S, every_s=0.005)
        stopped.send_signal(how)
        stopped.communicate(timeout=TIMEOUT_S)
        assert 0 < len(documents(back)) < MESSAGES
        assert "the same documents are in both" in run("copy", couchbase_bucket.url, back_url)
        assert documents(back) == documents(target)
    designs = couchbase_bucket.mock.get(f"/pools/default/buckets/{couchbase_bucket.name}/ddocs")
    assert b"chat_copy" not in designs


def test_a_copy_goes_on_when_the_cluster_fails_for_a_while(
    file_url: str, couchbase_bucket: MockBucket, target: Store
) -> None:
    copying = start("copy", file_url, couchbase_bucket.url)
    eventually(lambda: target.get(Kind.MESSAGE, f"room~{MESSAGES // 4:012}"), TIMEOUT_S, every_s=0.005)
    with couchbase_bucket.failing(Status.TEMPORARY_FAILURE, Operation.ADD):
        assert copying.poll() is None
        couchbase_bucket.failover(0)
    couchbase_bucket.respawn(0)
    said = "".join(copying.communicate(timeout=TIMEOUT_S))
    assert copying.returncode == 0, said
    with closing(open_store(file_url)) as source:
        eventually(lambda: documents(source) == documents(target))


def test_another_body_is_told_and_left_alone_when_it_is_there(
    file_url: str, couchbase_bucket: MockBucket, target: Store
) -> None:
    key = f"room~{7:012}"
    target.insert(Kind.MESSAGE, key, b'{"text":"another"}')
    said = run("copy", file_url, couchbase_bucket.url, code=1)
    assert f"message '{key}': another body is in TO; look at them, or copy with --overwrite" in said
    assert "TO has not all documents of FROM as they are there" in said
    assert target.get_many(Kind.MESSAGE, [key])[key].body == b'{"text":"another"}'
    assert "1 overwritten" in run("copy", "--overwrite", file_url, couchbase_bucket.url)
    assert target.get_many(Kind.MESSAGE, [key])[key].body == (BODY % 7).encode()


def test_nothing_of_ours_is_left_in_the_bucket_when_it_was_listed(
    couchbase_bucket: MockBucket, target: Store
) -> None:
    target.insert(Kind.ROOM, "room", b"{}")
    with couchbase_listing(read_couchbase(couchbase_bucket.url)) as listing:
        assert list(listing.keys(Kind.ROOM)) == ["room"]  # without what the adapter tries the cluster with
        assert listing.count(Kind.ROOM) == 1
    designs = couchbase_bucket.mock.get(f"/pools/default/buckets/{couchbase_bucket.name}/ddocs")
    assert b"chat_copy" not in designs


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("copy", "sqlite:///{folder}/none.db", "sqlite:///{folder}/to.db"), "none.db: unable to open"),
        (("copy", "sqlite:///{folder}/from.db", "sqlite:///{folder}/./from.db"), "TO is the same store as FROM; "),
        (
            ("copy", "sqlite:///{folder}/from.db", "env:NOWHERE"),
            "TO names the variable NOWHERE, which is not set; ",
        ),
        (("copy", "file:secret", "sqlite:///{folder}/to.db"), "FROM starts with no scheme that is known; "),
        (("copy", "sqlite:///{folder}/from.db", "couchbase://u:secret@127.0.0.1:1/b"), "nobody listens there; "),
    ],
)
def test_a_copy_stops_with_one_line_when_it_cannot_be_done(
    tmp_path: Path, file_url: str, words: tuple[str, ...], said: str
) -> None:
    line = run(*(word.format(folder=tmp_path) for word in words), code=2)
    assert said in line
    assert line.count("\n") == 1
    assert not (tmp_path / "none.db").exists()


def test_a_check_tells_what_is_in_order_when_all_is(couchbase_bucket: MockBucket) -> None:
    said = run("check", STORE_URL=couchbase_bucket.url)
    assert "the login is taken and the bucket is open" in said
    assert "documents in the default collection can be read" in said
    assert "STORE_DURABILITY auto is kept: " in said
    assert run("check", "--quiet", STORE_URL=couchbase_bucket.url) == ""


def test_a_check_ends_with_one_when_a_fault_is_found(couchbase_bucket: MockBucket) -> None:
    said = run("check", code=1, STORE_URL=f"{couchbase_bucket.url}s")
    assert "there is no such bucket for this user; mend STORE_URL" in said


def test_a_check_of_a_file_tells_whether_it_can_be_used(tmp_path: Path, file_url: str) -> None:
    assert "it can be read and written" in run("check", STORE_URL=file_url)
    assert "it is made at the first start" in run("check", STORE_URL=f"sqlite:///{tmp_path}/new.db")
    (tmp_path / "text.db").write_text("no database, but long enough to be read as the header of one" * 9)
    assert "which can't be used" in run("check", code=1, STORE_URL=f"sqlite:///{tmp_path}/text.db")


def test_setup_says_that_there_is_nothing_to_make_when_no_scope_is_named(couchbase_bucket: MockBucket) -> None:
    for _ in range(2):
        said = run("setup", STORE_URL=couchbase_bucket.url)
        assert said.startswith("nothing to make: STORE_URL names no scope\n")
        assert "STORE_DURABILITY auto is kept: " in said


def test_setup_says_so_when_the_servers_have_no_collections(couchbase_bucket: MockBucket) -> None:
    said = run("setup", code=2, STORE_URL=f"{couchbase_bucket.url}?scope=chat")
    assert "setup stopped: the server has no collections (Couchbase 7 has); leave out ?scope= in STORE_URL" in said


def test_a_durability_is_told_when_it_cannot_be_kept() -> None:
    with CouchbaseMock(nodes=1, replicas=0) as mock:
        said = run("check", code=1, STORE_URL=mock.url, STORE_DURABILITY="majority")
    assert "STORE_DURABILITY majority can't be kept, the bucket has no replicas; " in said
