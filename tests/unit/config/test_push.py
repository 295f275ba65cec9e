import re
from pathlib import Path

import pytest

from config.env import Env, SettingError
from config.push import WEBPUSH_HOSTS, read_push

DOCS = Path(__file__).resolve().parents[3] / "docs" / "settings.md"
PLACES = {
    "PUSH_VAPID_KEY": ("k", "vapid_key", "k"),
    "PUSH_VAPID_SUBJECT": ("mailto:a@b.c", "vapid_subject", "mailto:a@b.c"),
    "PUSH_WEBPUSH_HOSTS": ("a.b,*.c.d", "webpush_hosts", ("a.b", "*.c.d")),
    "PUSH_FCM_ACCOUNT": ("/a.json", "fcm_account", Path("/a.json")),
    "PUSH_FCM_URL": ("https://fcm.test", "fcm_url", "https://fcm.test"),
    "PUSH_APNS_KEY": ("/a.p8", "apns_key", Path("/a.p8")),
    "PUSH_APNS_KEY_ID": ("ABCDEFGHIJ", "apns_key_id", "ABCDEFGHIJ"),
    "PUSH_APNS_TEAM_ID": ("ABCDEFGHIJ", "apns_team_id", "ABCDEFGHIJ"),
    "PUSH_APNS_TOPIC": ("org.app", "apns_topic", "org.app"),
    "PUSH_APNS_URL": ("https://apns.test", "apns_url", "https://apns.test"),
    "PUSH_TRUSTED_HOSTS": ("10.0.0.1,push.lan", "trusted_hosts", ("10.0.0.1", "push.lan")),
    "PUSH_CA_FILE": ("/ca.pem", "ca_file", Path("/ca.pem")),
    "PUSH_CONTENT": ("sender", "content", "sender"),
    "PUSH_GRACE_S": ("7", "grace_s", 7.0),
    "PUSH_TTL_S": ("60", "ttl_s", 60),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_setting_arrives_when_it_is_set(name):
    text, field, value = PLACES[name]
    assert getattr(read_push(Env({name: text})), field) == value


def test_every_provider_is_off_when_nothing_is_set():
    push = read_push(Env({}))
    assert (push.vapid_key, push.fcm_account, push.apns_key) == (None, None, None)
    assert push.webpush_hosts == WEBPUSH_HOSTS


def test_the_start_is_refused_when_a_choice_is_unknown():
    with pytest.raises(SettingError, match="PUSH_CONTENT"):
        read_push(Env({"PUSH_CONTENT": "all"}))


def test_the_docs_name_exactly_what_is_read():
    assert set(re.findall(r"^\| `(PUSH_[A-Z_]+)` \|", DOCS.read_text(), re.MULTILINE)) == set(PLACES)
