import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from config.env import SettingError
from config.push_files import check_authorities, check_vapid_key, read_apns_key, read_fcm_account
from tests.support.push.authority import Authority
from tests.support.push.subscription import encode

ACCOUNT = {
    "type": "service_account",
    "project_id": "chat",
    "private_key_id": "k1",
    "client_email": "push@chat.example",
    "token_uri": "https://oauth2.googleapis.com/token",
}


def pem_of(key) -> str:
    told = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, *told).decode()


@pytest.fixture(scope="module")
def rsa_pem() -> str:
    return pem_of(rsa.generate_private_key(public_exponent=65537, key_size=2048))


@pytest.fixture(scope="module")
def ec_pem() -> str:
    return pem_of(ec.generate_private_key(ec.SECP256R1()))


@pytest.mark.parametrize("padding", ["", "="])
def test_a_vapid_key_is_taken_with_and_without_padding(padding):
    key = encode(bytes(31) + b"\1") + padding
    assert check_vapid_key("PUSH_VAPID_KEY", key) == key


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("not base64!", "is not in base64url"),
        ("ü", "is not in base64url"),
        ("AAAAA", "is not in base64url"),
        (encode(b"\1" * 31), "has 31 bytes, not 32"),
        (encode(b"\4" + b"\1" * 64), "has 65 bytes, not 32"),  # the public one
        (encode(bytes(32)), "is no key of the curve P-256"),
        (encode(b"\xff" * 32), "is no key of the curve P-256"),
    ],
)
def test_the_start_is_refused_when_a_vapid_key_is_none(key, fault):
    with pytest.raises(SettingError) as told:
        check_vapid_key("PUSH_VAPID_KEY", key)
    assert told.value.fault == fault
    assert "\n" not in str(told.value)
    assert key not in str(told.value)


def test_an_account_is_read_when_it_is_complete(tmp_path, rsa_pem):
    file = tmp_path / "account.json"
    file.write_text(json.dumps({**ACCOUNT, "private_key": rsa_pem}))
    account = read_fcm_account("PUSH_FCM_ACCOUNT", file)
    assert (account.project_id, account.email, account.key_id) == ("chat", "push@chat.example", "k1")
    assert account.token_uri == ACCOUNT["token_uri"]
    assert account.private_key not in repr(account)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"type": "authorized_user"}, "no service account"),
        ({"project_id": ""}, "without project_id"),
        ({"client_email": None}, "without client_email"),
        ({"token_uri": "http://oauth2.googleapis.com/token"}, "token_uri is not https"),
        ({"private_key": "-----BEGIN nonsense"}, "private_key is no RSA key"),
    ],
)
def test_the_start_is_refused_when_an_account_lacks_something(tmp_path, rsa_pem, change, fault):
    file = tmp_path / "account.json"
    file.write_text(json.dumps({**ACCOUNT, "private_key": rsa_pem, **change}))
    with pytest.raises(SettingError, match=fault):
        read_fcm_account("PUSH_FCM_ACCOUNT", file)


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_the_start_is_refused_when_an_account_is_no_account(tmp_path, content):
    file = tmp_path / "account.json"
    file.write_text(content)
    with pytest.raises(SettingError, match=r"is no (JSON|service account)"):
        read_fcm_account("PUSH_FCM_ACCOUNT", file)


def test_the_start_is_refused_when_a_file_is_not_there(tmp_path):
    for read in (read_fcm_account, read_apns_key, check_authorities):
        with pytest.raises(SettingError, match=r"PUSH_X leads to .*: no such file"):
            read("PUSH_X", tmp_path / "none")
        with pytest.raises(SettingError, match="is a directory"):
            read("PUSH_X", tmp_path)


def test_an_apns_key_is_read_when_it_is_of_the_right_curve(tmp_path, ec_pem):
    file = tmp_path / "key.p8"
    file.write_text(ec_pem)
    assert read_apns_key("PUSH_APNS_KEY", file) == ec_pem


def test_the_start_is_refused_when_an_apns_key_is_another_kind_of_key(tmp_path, rsa_pem):
    file = tmp_path / "key.p8"
    for content in (rsa_pem, pem_of(ec.generate_private_key(ec.SECP384R1())), "nonsense"):
        file.write_text(content)
        with pytest.raises(SettingError, match="no key of the curve P-256"):
            read_apns_key("PUSH_APNS_KEY", file)


def test_authorities_are_checked_before_the_start(tmp_path):
    good = Authority(tmp_path).ca_file
    assert check_authorities("PUSH_CA_FILE", good) == good
    bad = tmp_path / "bad.pem"
    bad.write_text("nothing")
    with pytest.raises(SettingError, match="has no certificate in it"):
        check_authorities("PUSH_CA_FILE", bad)
