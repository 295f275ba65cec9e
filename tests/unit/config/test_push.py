import inspect
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from config import push_work
from config.env import Env, SettingError
from config.push import WEBPUSH_HOSTS, read_push
from tests.support.push.servers import PushServers

PACE = re.findall(r'"(PUSH_[A-Z_]+)"', inspect.getsource(push_work))
DOCS = Path(__file__).resolve().parents[3] / "docs" / "settings.md"
PLACES: dict[str, tuple[str, Callable[[str], object]]] = {
    "PUSH_VAPID_KEY": ("vapid_key", str),
    "PUSH_VAPID_SUBJECT": ("vapid_subject", str),
    "PUSH_WEBPUSH_HOSTS": ("webpush_hosts", lambda text: tuple(text.split(","))),
    "PUSH_FCM_ACCOUNT": ("fcm_account", Path),
    "PUSH_FCM_URL": ("fcm_url", str),
    "PUSH_APNS_KEY": ("apns_key", Path),
    "PUSH_APNS_KEY_ID": ("apns_key_id", str),
    "PUSH_APNS_TEAM_ID": ("apns_team_id", str),
    "PUSH_APNS_TOPIC": ("apns_topic", str),
    "PUSH_APNS_URL": ("apns_url", str),
    "PUSH_TRUSTED_HOSTS": ("trusted_hosts", lambda text: tuple(text.split(","))),
    "PUSH_CA_FILE": ("ca_file", Path),
    "PUSH_CONTENT": ("content", str),
    "PUSH_GRACE_S": ("grace_s", float),
    "PUSH_TTL_S": ("ttl_s", int),
}
APNS = ("PUSH_APNS_KEY_ID", "PUSH_APNS_TEAM_ID", "PUSH_APNS_TOPIC")


@pytest.fixture(scope="module")
def environ(tmp_path_factory) -> dict[str, str]:
    """All of them, each with a value that is not its default."""
    with PushServers(tmp_path_factory.mktemp("push")) as servers:
        named = servers.environ
    more = {"PUSH_WEBPUSH_HOSTS": "a.b,*.c.d", "PUSH_TRUSTED_HOSTS": "10.0.0.1,push.lan"}
    return {**named, **more, "PUSH_CONTENT": "sender", "PUSH_GRACE_S": "7", "PUSH_TTL_S": "60"}


@pytest.mark.parametrize("name", PLACES)
def test_a_setting_arrives_when_it_is_set(environ, name):
    field, read = PLACES[name]
    assert getattr(read_push(Env(environ)), field) == read(environ[name])


def test_every_provider_is_off_when_nothing_is_set():
    push = read_push(Env({}))
    assert (push.vapid_key, push.fcm_account, push.apns_key) == (None, None, None)
    assert push.webpush_hosts == WEBPUSH_HOSTS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUSH_CONTENT", "all"),
        ("PUSH_VAPID_KEY", "k"),
        ("PUSH_VAPID_SUBJECT", "operator@example.org"),
        ("PUSH_WEBPUSH_HOSTS", "https://push.example.org"),
        ("PUSH_WEBPUSH_HOSTS", "*"),
        ("PUSH_TRUSTED_HOSTS", "push.lan:8443"),
        ("PUSH_FCM_URL", "http://fcm.googleapis.com"),
        ("PUSH_APNS_URL", "https://api.push.apple.com/3/device"),
        ("PUSH_APNS_KEY_ID", "short"),
        ("PUSH_APNS_TOPIC", "a topic"),
        ("PUSH_FCM_ACCOUNT", "nowhere.json"),
        ("PUSH_APNS_KEY", "nowhere.p8"),
        ("PUSH_CA_FILE", "nowhere.pem"),
    ],
)
def test_the_start_is_refused_when_a_value_cannot_be_used(environ, name, value):
    with pytest.raises(SettingError) as told:
        read_push(Env({**environ, name: value}))
    assert told.value.name == name
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", APNS)
def test_the_start_is_refused_when_an_apns_key_comes_without_what_it_needs(environ, name):
    with pytest.raises(SettingError, match=f"{name} is not set, though PUSH_APNS_KEY is"):
        read_push(Env({**environ, name: ""}))


def test_the_docs_name_exactly_what_is_read():
    names = {name for name in PACE if name.startswith("PUSH_")} | set(PLACES)
    assert set(re.findall(r"^\| `(PUSH_[A-Z_]+)` \|", DOCS.read_text(), re.MULTILINE)) == names
