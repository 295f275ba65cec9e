"""Settings of push notifications; a provider whose settings are missing is off."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from config.env import Env

WEBPUSH_HOSTS = (
    "fcm.googleapis.com",
    "*.push.services.mozilla.com",
    "*.notify.windows.com",
    "web.push.apple.com",
)


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
    """Read them. Raises: SettingError."""
    content = env.choice("PUSH_CONTENT", "full", ("full", "sender", "none"))
    account, key, ca_file = (env.optional(n) for n in ("PUSH_FCM_ACCOUNT", "PUSH_APNS_KEY", "PUSH_CA_FILE"))
    return PushSettings(
        vapid_key=env.optional("PUSH_VAPID_KEY"),
        vapid_subject=env.text("PUSH_VAPID_SUBJECT", "mailto:operator@localhost"),
        webpush_hosts=tuple(env.listing("PUSH_WEBPUSH_HOSTS")) or WEBPUSH_HOSTS,
        fcm_account=Path(account) if account else None,
        fcm_url=env.text("PUSH_FCM_URL", "https://fcm.googleapis.com"),
        apns_key=Path(key) if key else None,
        apns_key_id=env.text("PUSH_APNS_KEY_ID", ""),
        apns_team_id=env.text("PUSH_APNS_TEAM_ID", ""),
        apns_topic=env.text("PUSH_APNS_TOPIC", ""),
        apns_url=env.text("PUSH_APNS_URL", "https://api.push.apple.com"),
        trusted_hosts=tuple(env.listing("PUSH_TRUSTED_HOSTS")),
        ca_file=Path(ca_file) if ca_file else None,
        content="none" if content == "none" else "sender" if content == "sender" else "full",
        grace_s=env.number("PUSH_GRACE_S", 3.0, 0, 600),
        ttl_s=env.whole("PUSH_TTL_S", 86_400, 0, 28 * 86_400),
    )
