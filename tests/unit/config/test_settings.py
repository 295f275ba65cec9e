"""All settings together: defaults, names, cross checks, and that no secret is shown."""

from __future__ import annotations

import dataclasses
import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from config.env import SettingError
from config.settings import Settings, load_settings

DOCS = Path(__file__).resolve().parents[3] / "docs" / "settings.md"
SECRET = "s" * 32


def load(**environ: str) -> Settings:
    return load_settings({"AUTH_SECRET": SECRET, **environ})


def fault_of(**environ: str) -> str:
    with pytest.raises(SettingError) as caught:
        load(**environ)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_defaults():
    settings = load()
    assert (settings.web.host, settings.web.port, settings.web.processes) == ("127.0.0.1", 3000, 1)
    assert (settings.flower_port, settings.data_dir) == (5555, Path("var"))
    assert (settings.redis.url, settings.redis.socket_timeout_s, settings.redis.connect_timeout_s) == (
        None,
        2.0,
        1.0,
    )
    assert settings.celery.broker_url is None
    assert (settings.store.url, settings.store.sqlite_path) == ("sqlite:///var/chat.db", Path("var/chat.db"))
    assert (settings.auth.mode, settings.auth.is_dev, settings.auth.issuer) == ("jwt", False, None)
    assert (settings.limits.messages_per_s, settings.limits.frames_per_s) == (20, 200)
    assert (settings.limits.frame_limit_bytes, settings.limits.content_limit_bytes) == (65536, 16384)
    assert (settings.path.log_length, settings.path.drain_batch) == (1000, 500)
    assert (settings.log.level, settings.log.format) == ("INFO", "text")


# name of the variable, a value that is not the default, where it ends up
PLACES = [
    ("HOST", "0.0.0.0", "web.host"),
    ("PORT", "3001", "web.port"),
    ("WEB_PROCESSES", "4", "web.processes"),
    ("ALLOWED_ORIGINS", "https://a.org", "web.allowed_origins"),
    ("TRUSTED_PROXIES", "10.0.0.0/8", "web.trusted_proxies"),
    ("SHUTDOWN_GRACE_S", "7", "web.shutdown_grace_s"),
    ("HEARTBEAT_PING_S", "26", "web.ping_after_s"),
    ("HEARTBEAT_TIMEOUT_S", "61", "web.heartbeat_timeout_s"),
    ("FLOWER_PORT", "5556", "flower_port"),
    ("CPU_PRIORITY", "realtime", "cpu_priority"),
    ("DATA_DIR", "elsewhere", "data_dir"),
    ("REDIS_URL", "redis://a", "redis.url"),
    ("REDIS_TIMEOUT_S", "3", "redis.socket_timeout_s"),
    ("REDIS_CONNECT_TIMEOUT_S", "3", "redis.connect_timeout_s"),
    ("EMBEDDED_REDIS_PORT", "6400", "redis.embedded_port"),
    ("CELERY_BROKER_URL", "redis://b", "celery.broker_url"),
    ("STORE_URL", "sqlite:///other.db", "store.url"),
    ("STORE_DURABILITY", "persist", "store.durability"),
    ("AUTH_MODE", "dev", "auth.mode"),
    ("AUTH_SECRET", "t" * 32, "auth.secret"),
    ("AUTH_JWKS_REFETCH_S", "11", "auth.jwks_refetch_s"),
    ("AUTH_REVOCATION_S", "90001", "auth.revocation_s"),
    ("AUTH_ISSUER", "me", "auth.issuer"),
    ("AUTH_AUDIENCE", "you", "auth.audience"),
    ("MAX_MESSAGES_PER_S", "21", "limits.messages_per_s"),
    ("MAX_FRAMES_PER_S", "201", "limits.frames_per_s"),
    ("MAX_JOINS_PER_S", "51", "limits.joins_per_s"),
    ("MAX_SOCKETS_PER_USER", "21", "limits.sockets_per_user"),
    ("MAX_SOCKETS_PER_ADDRESS", "51", "limits.sockets_per_address"),
    ("MAX_REST_PER_S", "201", "limits.rest_per_s"),
    ("MAX_FRAME_BYTES", "65537", "limits.frame_limit_bytes"),
    ("MAX_CONTENT_BYTES", "16385", "limits.content_limit_bytes"),
    ("MAX_BACKLOG_BYTES", "4194305", "limits.backlog_limit_bytes"),
    ("MAX_ROOMS_PER_SOCKET", "501", "limits.rooms_per_socket"),
    ("MAX_OUTBOX", "100001", "limits.outbox_limit"),
    ("MAX_ROOM_MEMBERS", "10001", "limits.room_members"),
    ("LOG_LENGTH", "1001", "path.log_length"),
    ("PERSIST_GIVE_UP_S", "301", "path.give_up_s"),
    ("DRAIN_BATCH", "501", "path.drain_batch"),
    ("DRAIN_LINGER_MS", "151", "path.drain_linger_ms"),
    ("RECLAIM_IDLE_S", "6", "path.reclaim_idle_s"),
    ("PRESENCE_GRACE_S", "6", "presence.grace_s"),
    ("PRESENCE_LEASE_S", "60", "presence.lease_s"),
    ("PRESENCE_ROOM_LIMIT", "100", "presence.room_limit"),
    ("WORKER_CONCURRENCY", "3", "path.worker_concurrency"),
    ("UNREAD_REFRESH_MEMBERS", "3", "path.unread_refresh_members"),
    ("LOG_LEVEL", "DEBUG", "log.level"),
    ("LOG_FORMAT", "json", "log.format"),
]
NUMBERS = [name for name, value, _ in PLACES if re.fullmatch("[0-9]+", value)]


def at(settings: object, place: str) -> object:
    for step in place.split("."):
        settings = getattr(settings, step)
    return settings


@pytest.mark.parametrize(("name", "value", "place"), PLACES)
def test_a_variable_changes_its_own_field(name: str, value: str, place: str):
    changed = at(load(**{name: value}), place)
    shown = str(changed[0]) if isinstance(changed, tuple) else str(changed)
    assert shown in (value, f"{value}.0")
    assert changed != at(load(), place)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["many", "-1", "99999999999999999999999"])
def test_a_number_is_refused_when_it_makes_no_sense(name: str, value: str):
    assert fault_of(**{name: value}).startswith(f"{name} is '{value}', which is ")


@pytest.mark.parametrize(
    "name", [n for n in NUMBERS if n.startswith("MAX_") and n.endswith(("_S", "USER", "ADDRESS"))]
)
def test_zero_turns_a_limit_off(name: str):
    assert at(load(**{name: "0"}), {n: p for n, _, p in PLACES}[name]) == 0


@pytest.mark.parametrize(
    ("environ", "start"),
    [
        ({"PORT": "0"}, "PORT is '0', which is out of range; set a whole number from 1 to 65535"),
        ({"PORT": "65536"}, "PORT is '65536', which is out of range;"),
        ({"HOST": "http://x"}, "HOST is 'http://x', which is no host or address; set one such as 127.0.0.1"),
        ({"AUTH_MODE": "open"}, "AUTH_MODE is 'open', which is not known; set jwt or dev"),
        ({"AUTH_SECRET": ""}, "AUTH_SECRET is not set and AUTH_MODE is jwt; set at least 32 random bytes"),
        (
            {"AUTH_SECRET": "x" * 31},
            "AUTH_SECRET has 31 bytes, too few for HS256; set at least 32 random bytes",
        ),
        ({"AUTH_JWKS_URL": "https://x"}, "AUTH_JWKS_URL is set and AUTH_SECRET too, but tokens have one kind"),
        (
            {"AUTH_JWKS_URL": "https://x", "AUTH_SECRET": "", "AUTH_MODE": "dev"},
            "AUTH_JWKS_URL is set with AUTH_MODE=dev, where the server mints tokens itself; set AUTH_MODE=jwt",
        ),
        (
            {"AUTH_JWKS_URL": "http://id.example.org/keys", "AUTH_SECRET": ""},
            "AUTH_JWKS_URL has keys travel unprotected over a network; set https://HOST/PATH",
        ),
        ({"ALLOWED_ORIGINS": "https://a.org,*"}, "ALLOWED_ORIGINS lists '*', which would let every page in;"),
        ({"TRUSTED_PROXIES": "all"}, "TRUSTED_PROXIES lists 'all', which is no IP address or network;"),
        (
            {"REDIS_URL": "cluster://a"},
            "REDIS_URL is a cluster:// address, which arrives in a later release;",
        ),
        ({"CELERY_BROKER_URL": "amqp://a"}, "CELERY_BROKER_URL starts with no scheme that is known;"),
        ({"STORE_URL": "couchbase://a/b"}, "STORE_URL names no user and password; set couchbase://USER:PASS"),
        ({"STORE_DURABILITY": "all"}, "STORE_DURABILITY is 'all', which is not known; set auto or majority or"),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT is 'xml', which is not known; set text or json"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL is 'loud', which is not known; set DEBUG or INFO or"),
        (
            {"MAX_CONTENT_BYTES": "70000"},
            "MAX_CONTENT_BYTES is 70000, more than MAX_FRAME_BYTES (65536); lower it or raise",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_mend(environ: dict[str, str], start: str):
    assert fault_of(**environ).startswith(start)


def test_the_secret_is_measured_in_bytes():
    assert load(AUTH_SECRET="é" * 16).auth.secret == "é" * 16


def test_dev_mode_makes_a_key_of_its_own_when_none_is_set():
    first, second = (load_settings({"AUTH_MODE": "dev"}).auth for _ in range(2))
    assert first.is_dev
    assert len(first.secret) >= 32
    assert first.secret != second.secret


def test_a_short_key_is_refused_in_dev_mode_too():
    assert "too few for HS256" in fault_of(AUTH_MODE="dev", AUTH_SECRET="short")


def test_published_keys_take_the_place_of_the_secret():
    auth = load_settings({"AUTH_JWKS_URL": "https://id.example.org/keys"}).auth
    assert (auth.jwks_url, auth.secret, auth.is_dev) == ("https://id.example.org/keys", "", False)


def test_the_store_is_in_the_data_folder_and_an_absolute_path_has_four_slashes():
    settings = load(DATA_DIR="/srv/chat/")
    assert settings.store.url == "sqlite:////srv/chat/chat.db"
    assert settings.store.sqlite_path == Path("/srv/chat/chat.db")


def test_the_broker_is_the_chats_redis_unless_it_is_set():
    assert load(REDIS_URL="redis://a").celery.broker_url == "redis://a"
    assert load(REDIS_URL="redis://a", CELERY_BROKER_URL="redis://b").celery.broker_url == "redis://b"


def test_lists_are_read_in_order():
    web = load(ALLOWED_ORIGINS="https://a.org, http://b:8080", TRUSTED_PROXIES="127.0.0.1,10.0.0.0/8").web
    assert web.allowed_origins == ("https://a.org", "http://b:8080")
    assert web.trusted_proxies == (ip_network("127.0.0.1/32"), ip_network("10.0.0.0/8"))


def test_unknown_variables_are_ignored():
    assert load(NO_SUCH_SETTING="1").web == load().web


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load().web.port = 1  # type: ignore[misc]


def test_no_secret_is_shown():
    urls = dict.fromkeys(("REDIS_URL", "CELERY_BROKER_URL"), "redis://joe:hush@a")
    text = repr(load(AUTH_SECRET="hush" * 8, **urls))
    assert "hush" not in text


@pytest.mark.parametrize("name", [*(name for name, _, _ in PLACES), "AUTH_JWKS_URL"])
def test_every_setting_is_in_the_docs(name: str):
    assert f"| `{name}` |" in DOCS.read_text()


def test_the_docs_name_no_setting_that_is_not_read():
    named = set(re.findall(r"^\| `([A-Z_]+)` \|", DOCS.read_text(), re.MULTILINE))
    pushing = {name for name in named if name.startswith("PUSH_")}  # tests/unit/config/test_push.py
    assert named - pushing == {name for name, _, _ in PLACES} | {"AUTH_JWKS_URL"}
