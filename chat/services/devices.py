"""A user's push targets: after a registration pushes for the user, and for nobody else, go there.

A device's own document says whose it is; a user's list only says where to look. So a phone that changes accounts is
the new user's from one write on, whoever's list it is still in. A removed device leaves its document behind without
address and owner, because only compare-and-set can tell a removal from a registration that comes at that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import msgspec

from chat.model.clock import ms_of, now_ms, rfc3339
from chat.model.device import Device, DeviceKind, device_id
from chat.services.compare_and_set import change
from chat.store.base import Document, Kind, Store

DEVICES_LIMIT = 20  # of one user; the one that was registered longest ago goes
STALE_MS = (
    270 * 86_400_000
)  # FCM takes a token as expired then: firebase.google.com/docs/cloud-messaging/manage-tokens
NOBODY = ""  # owner of a removed device


class DeviceRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """The document of kind `device`, under the device's id."""

    user_id: str
    kind: DeviceKind
    address: str
    created_at: str
    refreshed_at: str
    p256dh: str | None = None
    auth: str | None = None


class UserDevicesRecord(msgspec.Struct, frozen=True):
    """The document of kind `user_devices`, under the user's id: when each device was last registered."""

    devices: dict[str, str] = {}


_device = msgspec.json.Decoder(DeviceRecord)
_list = msgspec.json.Decoder(UserDevicesRecord)


class Devices:
    """Registers, finds and removes them. `on_registered` hears of each registration, once it is stored."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], int] = now_ms,
        on_registered: Callable[[Device], object] = lambda _: None,
    ) -> None:
        self._store = store
        self._now = now
        self._on_registered = on_registered

    def register(
        self, user_id: str, kind: DeviceKind, address: str, p256dh: str | None = None, auth: str | None = None
    ) -> Device:
        """Make a target this user's, and fresh; one that was another's is that one's no more.

        Raises: StoreUnavailable; then it may be registered, and is safe to repeat.
        """
        device = self._write(user_id, kind, address, p256dh, auth)
        # Listed after it is the user's: between the two writes it is sent nothing, and a repeat mends it.
        for surplus in self._enlist(device):
            self.drop(surplus)
        self._on_registered(device)
        return device

    def of(self, user_id: str) -> list[Device]:
        """Return a user's devices, the newest registration last. Raises StoreUnavailable."""
        return self.of_many([user_id])[user_id]

    def of_many(self, user_ids: Collection[str]) -> dict[str, list[Device]]:
        """Return the devices of each user, in two reads; what is theirs no more is taken off their lists.

        Raises: StoreUnavailable.
        """
        listed = self._store.get_many(Kind.USER_DEVICES, user_ids)
        ids = {user_id: _list.decode(each.body).devices for user_id, each in listed.items()}
        found = self._read({device for devices in ids.values() for device in devices})
        answer: dict[str, list[Device]] = {}
        for user_id in user_ids:
            mine = [each for device in ids.get(user_id, ()) if (each := found.get(device))]
            answer[user_id] = [each for each in mine if self._is_of(each, user_id)]
            if len(answer[user_id]) < len(ids.get(user_id, ())):
                self._tidy(user_id)
        return answer

    def remove(self, user_id: str, device_id: str) -> bool:
        """Remove a user's device; False when the user has none of this id. Raises StoreUnavailable."""
        is_removed = self._blank(device_id, lambda record: record.user_id == user_id)
        self._tidy(user_id)
        return is_removed

    def drop(self, device: Device) -> None:
        """Remove a device that is gone for good, unless it was registered since. Raises StoreUnavailable."""
        same = (device.user_id, device.refreshed_at)
        if self._blank(device.id, lambda record: (record.user_id, record.refreshed_at) == same):
            self._tidy(device.user_id)

    def prune(self, device_ids: Iterable[str]) -> int:
        """Delete the documents of removed and stale devices among these; return how many. Raises StoreUnavailable.

        Meant for ids that nobody has registered for long: a registration at this very moment could be lost.
        """
        pruned = 0
        for each, device in self._read(device_ids).items():
            if device.user_id != NOBODY and self._is_fresh(device):
                continue
            self.drop(device)
            pruned += self._store.delete(Kind.DEVICE, each)
        return pruned

    def _write(self, user_id: str, kind: DeviceKind, address: str, p256dh: str | None, auth: str | None) -> Device:
        made = device_id(kind, address)
        written: list[DeviceRecord] = []

        def decide(body: bytes | None) -> bytes:
            before = _device.decode(body) if body else None
            now = self._now()
            if before is not None:  # never the same time twice: `drop` tells registrations apart by it
                now = max(now, ms_of(before.refreshed_at) + 1)
            is_same = before is not None and before.user_id == user_id
            created_at = before.created_at if before and is_same else rfc3339(now)
            written[:] = [DeviceRecord(user_id, kind, address, created_at, rfc3339(now), p256dh, auth)]
            return msgspec.json.encode(written[0])

        change(self._store, Kind.DEVICE, made, decide)
        return _told(made, written[0])

    def _enlist(self, device: Device) -> list[Device]:
        """Put a device on its user's list; return those that had to go for it."""
        gone: list[str] = []

        def decide(body: bytes | None) -> bytes:
            devices = dict(_list.decode(body).devices) if body else {}
            devices.pop(device.id, None)
            devices[device.id] = device.refreshed_at  # last, and never as it was: see `_tidy`
            gone[:] = list(devices)[:-DEVICES_LIMIT]
            kept = {each: at for each, at in devices.items() if each not in gone}
            return msgspec.json.encode(UserDevicesRecord(kept))

        change(self._store, Kind.USER_DEVICES, device.user_id, decide)
        return [each for each in self._read(gone).values() if each.user_id == device.user_id] if gone else []

    def _blank(self, device_id: str, is_meant: Callable[[DeviceRecord], bool]) -> bool:
        """Let a device be nobody's, if it is the one that is meant."""
        done = False

        def decide(body: bytes | None) -> bytes | None:
            nonlocal done
            record = _device.decode(body) if body else None
            done = record is not None and record.user_id != NOBODY and is_meant(record)
            if record is None or not done:
                return None
            nobodys = DeviceRecord(NOBODY, record.kind, "", record.created_at, record.refreshed_at)
            return msgspec.json.encode(nobodys)

        change(self._store, Kind.DEVICE, device_id, decide)
        return done

    def _tidy(self, user_id: str) -> None:
        """Take what is not the user's off the list.

        The devices are read behind the list: one that is registered meanwhile changes the list, and both are
        read again.
        """

        def decide(body: bytes | None) -> bytes | None:
            devices = _list.decode(body).devices if body else {}
            found = self._read(devices)
            kept = {
                each: at
                for each, at in devices.items()
                if (device := found.get(each)) is not None and self._is_of(device, user_id)
            }
            return None if kept == devices else msgspec.json.encode(UserDevicesRecord(kept))

        change(self._store, Kind.USER_DEVICES, user_id, decide)

    def _read(self, device_ids: Iterable[str]) -> dict[str, Device]:
        found: dict[str, Document] = self._store.get_many(Kind.DEVICE, list(device_ids))
        return {each: _told(each, _device.decode(document.body)) for each, document in found.items()}

    def _is_of(self, device: Device, user_id: str) -> bool:
        return device.user_id == user_id and self._is_fresh(device)

    def _is_fresh(self, device: Device) -> bool:
        return self._now() - ms_of(device.refreshed_at) < STALE_MS


def _told(device_id: str, record: DeviceRecord) -> Device:
    return Device(device_id, **msgspec.structs.asdict(record))
