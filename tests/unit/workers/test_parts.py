"""The table of parts: one row per process, unique where stacks share a broker."""

from __future__ import annotations

from pathlib import Path

from config.settings import Settings, load_settings
from workers.parts import GROUPS, Part, chat_parts, load_part, save_parts
from workers.scheduling import Turns
from workers.valkey import valkey_part


def settings(**environ: str) -> Settings:
    return load_settings({"AUTH_MODE": "dev", **environ})


def commands(**environ: str) -> dict[str, str]:
    return {part.name: " ".join(part.command) for part in chat_parts(settings(**environ), None)}


def test_every_part_has_a_row():
    names = list(commands(WEB_PROCESSES="2"))
    assert names == ["worker-persist", "worker-background", "worker-push", "beat", "flower", "web-1", "web-2"]
    assert all(part.group in GROUPS for part in chat_parts(settings(), None))


def test_every_queue_has_a_worker():
    rows = commands(WORKER_CONCURRENCY="3")
    assert " -Q persist " in rows["worker-persist"]
    assert " -c 3 " in rows["worker-persist"]
    assert " -Q seen,unread,maintenance " in rows["worker-background"]
    assert " -Q push " in rows["worker-push"]


def test_node_names_differ_between_stacks():
    one, two = commands(PORT="3000"), commands(PORT="3001")
    assert "-n persist-3000@%h" in one["worker-persist"]
    assert "-n persist-3001@%h" in two["worker-persist"]
    assert "-n background-3001@%h" in two["worker-background"]


def test_flower_is_on_loopback_and_bounded():
    row = commands(FLOWER_PORT="5600")["flower"]
    assert "--address=127.0.0.1 --port=5600 --persistent=False --max_tasks=" in row


def test_web_has_its_grace_to_stop():
    web = chat_parts(settings(SHUTDOWN_GRACE_S="20"), None)[-1]
    assert web.stop_wait_s > 20


def test_a_row_is_the_same_after_writing_and_reading(tmp_path: Path):
    part = Part("x", "jobs", ("a", "b c", "%h"), 3.5, 4, Turns(5, 6.5), "SIGTERM", "/lock", ("noise",))
    save_parts([part], tmp_path / "parts.json")
    assert load_part("x", tmp_path / "parts.json") == part


def test_valkey_keeps_what_it_is_told(tmp_path: Path):
    row = " ".join(valkey_part(tmp_path, 6400).command)
    for flags in (
        "--bind 127.0.0.1 --port 6400",
        f"--dir {tmp_path}/redis",
        "--appendonly yes --appendfsync everysec",
        "--maxmemory-policy noeviction",
    ):
        assert flags in row


def test_jobs_yield_to_the_web_when_cores_are_scarce():
    turns = {part.name: part.turns for part in chat_parts(settings(), None)}
    jobs = [turns[name] for name in ("worker-persist", "worker-background", "worker-push", "beat", "flower")]
    assert all(each.niceness > turns["web-1"].niceness for each in jobs)
    assert all(each.slice_ms > turns["web-1"].slice_ms > 0 for each in jobs)


def test_who_shows_messages_is_in_real_time_where_that_is_wanted_and_nobody_else(tmp_path: Path):
    def in_real_time(**environ: str) -> dict[str, bool]:
        parts = chat_parts(settings(**environ), valkey_part(tmp_path, 6400))
        return {part.name: part.turns.forks_normal for part in parts if part.turns.is_realtime}

    assert in_real_time() == {}
    # what Valkey forks writes files, and the threads of a web server hold the interpreter that all of it waits for
    assert in_real_time(CPU_PRIORITY="realtime") == {"valkey": True, "web-1": False}
