"""All three push providers on loopback, and devices behind them.

with PushServers(folder) as push:
    stack = StackProcess(data_dir, push.environ)
    phone = push.target(DeviceKind.APNS)
    ... register phone.registration, send a message ...
    eventually(lambda: push.apns.taken_by(phone.address))
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from cryptography.hazmat.primitives.asymmetric import ec

from chat.model.device import Device, DeviceKind, device_id
from tests.support.push.apns_server import KEY_ID, TEAM_ID, TOPIC, ApnsServer
from tests.support.push.authority import Authority
from tests.support.push.fcm_server import FcmServer
from tests.support.push.script import Script
from tests.support.push.subscription import encode, point
from tests.support.push.tls_server import TlsServer
from tests.support.push.webpush_service import WebPushService

REGISTERED_AT = "2026-01-01T00:00:00.000Z"


@dataclass(frozen=True)
class Target:
    """A device that waits to be registered."""

    kind: DeviceKind
    address: str
    p256dh: str | None = None
    auth: str | None = None

    @property
    def registration(self) -> dict[str, object]:
        """The body of POST /api/v1/devices."""
        if self.kind is DeviceKind.WEBPUSH:
            keys = {"p256dh": self.p256dh, "auth": self.auth}
            return {"kind": "webpush", "endpoint": self.address, "keys": keys}
        return {"kind": str(self.kind), "token": self.address}

    def device(self, user_id: str = "ann", refreshed_at: str = REGISTERED_AT) -> Device:
        """The record that the registration ends as."""
        key = device_id(self.kind, self.address)
        return Device(key, self.kind, user_id, self.address, REGISTERED_AT, refreshed_at, self.p256dh, self.auth)


class PushServers:
    """Starts the three with real TLS; `environ` is all that a stack needs to use them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        authority = Authority(folder)
        vapid = ec.generate_private_key(ec.SECP256R1())
        self.ca_file = authority.ca_file
        self.webpush = WebPushService(authority, encode(point(vapid.public_key())))
        self.fcm = FcmServer(authority)
        self.apns = ApnsServer(authority)
        account, key = folder / "account.json", folder / "apns.p8"
        self.fcm.save_account(account)
        self.apns.save_key(key)
        self.environ = {
            "PUSH_VAPID_KEY": encode(vapid.private_numbers().private_value.to_bytes(32, "big")),
            "PUSH_VAPID_SUBJECT": "mailto:operator@example.org",
            "PUSH_WEBPUSH_HOSTS": "127.0.0.1",
            "PUSH_TRUSTED_HOSTS": "127.0.0.1",
            "PUSH_CA_FILE": str(self.ca_file),
            "PUSH_FCM_ACCOUNT": str(account),
            "PUSH_FCM_URL": self.fcm.server.url,
            "PUSH_APNS_KEY": str(key),
            "PUSH_APNS_KEY_ID": KEY_ID,
            "PUSH_APNS_TEAM_ID": TEAM_ID,
            "PUSH_APNS_TOPIC": TOPIC,
            "PUSH_APNS_URL": self.apns.server.url,
        }
        self._stack = ExitStack()

    def __getitem__(self, kind: DeviceKind) -> WebPushService | FcmServer | ApnsServer:
        """Return the provider of one kind of device."""
        of_kind: dict[DeviceKind, WebPushService | FcmServer | ApnsServer] = {
            DeviceKind.WEBPUSH: self.webpush,
            DeviceKind.FCM: self.fcm,
            DeviceKind.APNS: self.apns,
        }
        return of_kind[kind]

    @property
    def scripts(self) -> tuple[Script, ...]:
        return self.webpush, self.fcm, self.fcm.oauth, self.apns

    @property
    def servers(self) -> tuple[TlsServer, ...]:
        return self.webpush.server, self.fcm.server, self.apns.server

    def target(self, kind: DeviceKind) -> Target:
        """Return a new device of a kind."""
        if kind is DeviceKind.WEBPUSH:
            made = self.webpush.subscribe()
            return Target(kind, made.endpoint, made.p256dh, made.auth)
        return Target(kind, self.fcm.subscribe() if kind is DeviceKind.FCM else self.apns.subscribe())

    def devices(self, of_each: int = 1) -> list[Target]:
        """Return new devices, so many of each kind."""
        return [self.target(kind) for kind in DeviceKind for _ in range(of_each)]

    def reset(self) -> None:
        """Forget what was asked and scripted; devices stay."""
        for script in self.scripts:
            script.reset()

    def __enter__(self) -> PushServers:
        for server in self.servers:
            self._stack.enter_context(server)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
