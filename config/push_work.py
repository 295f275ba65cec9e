"""Settings of the work behind push notifications: how soon, how often, how many at once."""

from __future__ import annotations

from dataclasses import dataclass

from config.env import Env
from config.push import PushSettings


@dataclass(frozen=True, slots=True)
class PushWorkSettings:
    """The pace of pushes, whatever the provider."""

    second_look_s: float  # after so long those are notified who were online at first, have not read and are gone
    spacing_s: float  # least time between two notifications of one room on one device
    backoff_s: float  # least time before a failed push is tried again
    circuit_s: float  # so long a provider that fails again and again is left alone at first
    lease_s: float  # a push that nobody has finished by then is taken over
    threads: int  # pushes to one provider that are under way at once


def read_push_work(env: Env) -> PushWorkSettings:
    """Read them. Raises: SettingError."""
    return PushWorkSettings(
        second_look_s=env.number("PUSH_SECOND_LOOK_S", 90.0, 0.1, 3600),
        spacing_s=env.number("PUSH_SPACING_S", 5.0, 0, 600),
        backoff_s=env.number("PUSH_BACKOFF_S", 10.0, 0.01, 600),
        circuit_s=env.number("PUSH_CIRCUIT_S", 30.0, 0.1, 300),
        lease_s=env.number("PUSH_LEASE_S", 60.0, 1, 600),
        threads=env.whole("PUSH_THREADS", 16, 1, 64),
    )


def configured_kinds(push: PushSettings) -> tuple[str, ...]:
    """Return the kinds of devices for which there is a provider."""
    keys = {"webpush": push.vapid_key, "fcm": push.fcm_account, "apns": push.apns_key}
    return tuple(kind for kind, key in keys.items() if key)
