"""Settings of push notifications; a provider whose settings are missing is off."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from config.env import Env, SettingError, shown
from config.push_files import check_authorities, check_vapid_key, read_apns_key, read_fcm_account

WEBPUSH_HOSTS = (
    "fcm.googleapis.com",
    "*.push.services.mozilla.com",
    "*.notify.windows.com",
    "web.push.apple.com",
)
HOST = re.compile(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
ADDRESS = re.compile(r"https://[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:[0-9]{1,5})?")
SUBJECT = re.compile(r"mailto:[!-~]+@[!-~]+|https://[!-~]+")
APPLE_ID = re.compile(r"[A-Z0-9]{10}")
BUNDLE_ID = re.compile(r"[A-Za-z0-9.-]{1,200}")


@dataclass(frozen=True, slots=True)
class PushSettings:
    """Which providers there are, and what they are sent."""

    vapid_key: str | None = field(repr=False)  # private, 32 bytes in base64url; None: no Web Push
    vapid_subject: str  # whom a push service writes to: mailto: or https:
    webpush_hosts: tuple[str, ...]  # where a subscription's endpoint may be; `*.` stands for any name before
    fcm_account: Path | None  # service account as JSON; None: no FCM
    fcm_url: str
    apns_key: Path | None  # .p8; None: no APNs
    apns_key_id: str
    apns_team_id: str
    apns_topic: str  # the app's bundle id
    apns_url: str
    trusted_hosts: tuple[str, ...]  # hosts that may have a private address
    ca_file: Path | None  # besides the public authorities
    content: Literal["full", "sender", "none"]  # what of a message leaves the house
    grace_s: float  # from a message's confirmation until its absent readers are notified
    ttl_s: int  # so long a provider keeps a notice for a device that is off


def read_push(env: Env) -> PushSettings:
    """Read them, and the files that they lead to. Raises: SettingError."""
    content = env.choice("PUSH_CONTENT", "full", ("full", "sender", "none"))
    vapid_key, ca_file = env.optional("PUSH_VAPID_KEY"), env.optional("PUSH_CA_FILE")
    account, apns_key = _file(env, "PUSH_FCM_ACCOUNT"), _file(env, "PUSH_APNS_KEY")
    if account:
        read_fcm_account("PUSH_FCM_ACCOUNT", account)
    if apns_key:
        read_apns_key("PUSH_APNS_KEY", apns_key)
    return PushSettings(
        vapid_key=vapid_key and check_vapid_key("PUSH_VAPID_KEY", vapid_key),
        vapid_subject=_subject(env),
        webpush_hosts=_hosts(env, "PUSH_WEBPUSH_HOSTS") or WEBPUSH_HOSTS,
        fcm_account=account,
        fcm_url=_address(env, "PUSH_FCM_URL", "https://fcm.googleapis.com"),
        apns_key=apns_key,
        apns_key_id=_apple_id(env, "PUSH_APNS_KEY_ID", apns_key),
        apns_team_id=_apple_id(env, "PUSH_APNS_TEAM_ID", apns_key),
        apns_topic=_topic(env, apns_key),
        apns_url=_address(env, "PUSH_APNS_URL", "https://api.push.apple.com"),
        trusted_hosts=_hosts(env, "PUSH_TRUSTED_HOSTS"),
        ca_file=check_authorities("PUSH_CA_FILE", Path(ca_file)) if ca_file else None,
        content="none" if content == "none" else "sender" if content == "sender" else "full",
        grace_s=env.number("PUSH_GRACE_S", 3.0, 0, 600),
        ttl_s=env.whole("PUSH_TTL_S", 86_400, 0, 28 * 86_400),
    )


def _file(env: Env, name: str) -> Path | None:
    path = env.optional(name)
    return Path(path) if path else None


def _subject(env: Env) -> str:
    subject = env.text("PUSH_VAPID_SUBJECT", "mailto:operator@localhost")
    if not SUBJECT.fullmatch(subject):
        fault = f"is {shown(subject)}, which is neither mailto: nor https:"
        raise SettingError("PUSH_VAPID_SUBJECT", fault, "set one such as mailto:operator@example.org")
    return subject


def _hosts(env: Env, name: str) -> tuple[str, ...]:
    hosts = env.listing(name)
    for host in hosts:
        if not HOST.fullmatch(host):
            fault = f"lists {shown(host)}, which is no host"
            raise SettingError(name, fault, "list hosts such as push.example.org or *.example.org, without a port")
    return hosts


def _address(env: Env, name: str, default: str) -> str:
    url = env.text(name, default).rstrip("/")
    if not ADDRESS.fullmatch(url):
        fault = f"is {shown(url)}, which is no https address without a path"
        raise SettingError(name, fault, f"set one such as {default}, or unset it")
    return url


def _apple_id(env: Env, name: str, apns_key: Path | None) -> str:
    text = env.text(name, "")
    mend = "set the 10 letters and digits that Apple shows, or unset PUSH_APNS_KEY"
    if apns_key and not text:
        raise SettingError(name, "is not set, though PUSH_APNS_KEY is", mend)
    if text and not APPLE_ID.fullmatch(text):
        raise SettingError(name, f"is {shown(text)}, which is none of Apple's ids", mend)
    return text


def _topic(env: Env, apns_key: Path | None) -> str:
    topic = env.text("PUSH_APNS_TOPIC", "")
    mend = "set the app's bundle id, or unset PUSH_APNS_KEY"
    if apns_key and not topic:
        raise SettingError("PUSH_APNS_TOPIC", "is not set, though PUSH_APNS_KEY is", mend)
    if topic and not BUNDLE_ID.fullmatch(topic):
        raise SettingError("PUSH_APNS_TOPIC", f"is {shown(topic)}, which is no bundle id", mend)
    return topic
