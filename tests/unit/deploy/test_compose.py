"""deploy/ in structure: it names what is there, and starts each part as `make run` does (no container is run)."""

from __future__ import annotations

import importlib
import importlib.util
import re
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from redbeat.schedulers import RedBeatConfig

from config.settings import Settings, load_settings
from tests.test_layout import setting_names
from workers.parts import Part, chat_parts

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if service["image"] == "chat:local")
SECRET = "0123456789abcdef" * 4  # what an operator puts in each empty place
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")

# Variables of our containers that are no settings of ours.
OTHERS = {"FLOWER_BASIC_AUTH": "Flower's own", "NODE": "for the health check beside it"}
# `make run` starts these parts so; the containers add what a network of containers needs.
PARTS = {
    "worker-persist": "worker-persist",
    "worker-background": "worker-background",
    "worker-push": "worker-push",
    "beat": "beat",
    "flower": "flower",
}


def example() -> dict[str, str]:
    """Return deploy/env.example as it is filled in."""
    lines = (DEPLOY / "env.example").read_text().splitlines()
    pairs = [line.split("=", 1) for line in lines if line and not line.startswith("#")]
    return {name: value or ("" if name == "ALLOWED_ORIGINS" else SECRET) for name, value in pairs}


def filled(text: str) -> str:
    """Put variables in, as compose does."""

    def value(match: re.Match[str]) -> str:
        name, how, default = match.groups()
        found = example().get(name, "")
        assert found or how == "-", f"{name} is in no environment"
        return found or default

    return VARIABLE.sub(value, text)


def environment(name: str) -> dict[str, str]:
    return {key: filled(str(value)) for key, value in SERVICES[name].get("environment", {}).items()}


def command(name: str) -> list[str]:
    return [filled(word) for word in SERVICES[name]["command"]]


def settings(name: str) -> Settings:
    return load_settings({"AUTH_MODE": "dev", **environment(name)})


def seconds(text: str) -> int:
    assert text.endswith("s")
    return int(text.removesuffix("s"))


def part(name: str) -> Part:
    return next(part for part in chat_parts(settings(name), None) if part.name == name)


def test_every_part_of_a_running_chat_is_a_service() -> None:
    assert {"couchbase", "redis", "web", "balancer", "setup", *PARTS} <= SERVICES.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_and_ends_in_its_own_time(name: str) -> None:
    service = SERVICES[name]
    if name not in OURS:
        assert re.search(r":[a-z-]*\d+\.\d+\.\d+", service["image"])
    if service["restart"] == "always":
        assert "stop_grace_period" in service
        assert {"test", "interval", "timeout", "retries"} <= service["healthcheck"].keys()
    else:  # one that ends by itself
        assert service["restart"] == "on-failure"
        assert "healthcheck" not in service


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_is_there_and_can_be_waited_for(name: str) -> None:
    waits = SERVICES[name].get("depends_on", {})
    for other in waits:
        assert other in SERVICES
        condition = waits[other]["condition"] if isinstance(waits, dict) else "service_started"
        assert (condition == "service_completed_successfully") == (SERVICES[other]["restart"] == "on-failure")
        assert condition != "service_healthy" or "healthcheck" in SERVICES[other]


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_mounts_is_there(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source = volume.split(":")[0]
        assert (DEPLOY / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", OURS)
def test_a_command_names_a_module_that_is_there(name: str) -> None:
    python, *words = command(name)
    assert python == "python"
    if words[0] == "-m":
        assert importlib.util.find_spec(words[1]) is not None
        assert words[1] != "chat.store" or words[2:] == ["setup"]
    else:
        assert (ROOT / words[0]).is_file()


@pytest.mark.parametrize("name", OURS)
def test_every_variable_of_a_service_is_a_setting_and_can_be_read(name: str) -> None:
    assert set(environment(name)) - set(setting_names()) <= OTHERS.keys()
    settings(name)


@pytest.mark.parametrize("name", sorted(set(OURS) - {"setup"}))
def test_a_part_demands_tokens_and_uses_the_one_redis_and_the_one_cluster(name: str) -> None:
    read = load_settings(environment(name))
    assert read.auth.mode == "jwt"
    assert read.redis.url == f"redis://:{SECRET}@redis:6379/0"
    assert read.store.place == load_settings(environment("web")).store.place
    assert (read.store.durability, read.log.format) == ("persist", "json")


def test_setup_is_done_in_the_scope_that_the_parts_use_as_who_may_do_it() -> None:
    made, used = settings("setup").store.place, settings("web").store.place
    assert not isinstance(made, Path)
    assert not isinstance(used, Path)
    assert (
        (made.hosts, made.bucket, made.scope)
        == (used.hosts, used.bucket, used.scope)
        == (("couchbase",), "chat", "chat")
    )
    assert (made.username, used.username) == ("Administrator", "chat")


@pytest.mark.parametrize("name", PARTS)
def test_a_part_is_started_as_make_run_does(name: str) -> None:
    ours, theirs = command(name), list(part(name).command)
    own = {"-W", *[word for word in theirs if word.startswith("ignore:")]}  # of a root user
    theirs = ["python", *[word for word in theirs[1:] if word not in own]]
    places = re.compile(r"--address=|--port=|\w+(-\d+)?@%h$")
    assert [w for w in ours if not places.match(w)] == [w for w in theirs if not places.match(w)]
    assert len(ours) == len(theirs)


def test_the_web_server_is_started_as_make_run_does() -> None:
    read = settings("web")
    web = next(part for part in chat_parts(read, None) if part.name == "web-1")
    assert ["python", *web.command[1:]] == command("web")
    assert read.web.host == "0.0.0.0"
    assert seconds(SERVICES["web"]["stop_grace_period"]) >= web.stop_wait_s
    assert filled(str(SERVICES["web"]["deploy"]["replicas"])) == "2"


@pytest.fixture
def celery_module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name, value in environment("worker-persist").items():  # it reads the environment when it is imported
        monkeypatch.setenv(name, value)
    return importlib.import_module("workers.celery_app")


def test_every_queue_has_a_worker(celery_module: ModuleType) -> None:
    served = [command(name)[command(name).index("-Q") + 1].split(",") for name in PARTS if "-Q" in command(name)]
    assert sorted(chain(*served)) == sorted(celery_module.QUEUES)


@pytest.mark.parametrize("name", PARTS)
def test_a_part_has_the_time_to_end_what_it_does(name: str) -> None:
    assert seconds(SERVICES[name]["stop_grace_period"]) >= part(name).stop_wait_s


def test_the_outside_reaches_the_chat_alone() -> None:
    published = {name: filled(port) for name in SERVICES for port in SERVICES[name].get("ports", [])}
    assert published.pop("balancer") == "3000:3000"
    assert published == {"flower": "127.0.0.1:5555:5555", "couchbase": "127.0.0.1:8091:8091"}
    assert "?" in SERVICES["flower"]["environment"]["FLOWER_BASIC_AUTH"]  # no start without a login


def test_the_balancer_is_believed_and_nobody_else() -> None:
    [network] = COMPOSE["networks"]["chat"]["ipam"]["config"]
    [trusted] = settings("web").web.trusted_proxies
    assert str(trusted) == network["subnet"]
    assert "set-header X-Forwarded-For %[src]" in (DEPLOY / "haproxy.cfg").read_text()
    assert f"web:{settings('web').web.port}" in (DEPLOY / "haproxy.cfg").read_text()


def test_a_store_that_is_away_leaves_somebody_to_chat_with() -> None:
    lines = [line.strip() for line in (DEPLOY / "haproxy.cfg").read_text().splitlines()]
    ready, alive = lines.index("backend web"), lines.index("backend alive")
    assert "use_backend alive if { nbsrv(web) eq 0 }" in lines
    assert lines.index("option httpchk GET /readyz", ready) < alive < lines.index("option httpchk GET /healthz")
    servers = [line.split()[2:] for line in lines if line.startswith("server-template")]
    assert len(servers) == 2
    assert servers[0] == servers[1]


def test_redis_keeps_everything_it_is_told() -> None:
    line = " ".join(command("redis"))
    for flag in ("--appendonly yes", "--appendfsync everysec", "--maxmemory-policy noeviction"):
        assert flag in line


def test_the_lock_that_beats_health_asks_for_is_the_one_that_it_holds(celery_module: ModuleType) -> None:
    assert f"'{RedBeatConfig(celery_module.app).lock_key}'" in SERVICES["beat"]["healthcheck"]["test"][-1]


def test_no_secret_is_in_the_repository() -> None:
    empty = re.findall(r"^(\w+)=$", (DEPLOY / "env.example").read_text(), re.M)
    required = {name for name, how, _ in VARIABLE.findall((DEPLOY / "compose.yaml").read_text()) if how == "?"}
    assert required <= set(empty)
    assert "deploy/.env" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_example_tells_every_variable_and_its_default() -> None:
    text = (DEPLOY / "env.example").read_text()
    for name, how, default in VARIABLE.findall((DEPLOY / "compose.yaml").read_text()):
        assert f"\n{name}=" in text or (how == "-" and f"\n# {name}={default}\n" in text)


def test_the_image_holds_what_a_part_needs_and_runs_without_root() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    copied = [line.split()[1] for line in lines if line.startswith("COPY ")]
    assert {"app.py", "chat", "config", "tasks", "workers", "requirements.txt"} == set(copied)
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert {f"!{each}" for each in copied} <= set(ignored)
    assert all((ROOT / each).exists() for each in copied)
    assert re.fullmatch(
        r"FROM python:3\.1[1-9]\.\d+-[\w-]+", next(line for line in lines if line.startswith("FROM"))
    )
    assert lines.index("USER chat") < lines.index('CMD ["python", "app.py"]')
