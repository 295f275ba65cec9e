"""From settings to providers: one for each kind of device that an operator has given keys for."""

from __future__ import annotations

from pathlib import Path

from chat.model.device import DeviceKind
from chat.push.apns import Apns, ApnsKey
from chat.push.base import Provider
from chat.push.endpoints import Endpoint, read_address
from chat.push.fcm import Fcm
from chat.push.google_token import ServiceAccount
from chat.push.transport import Transport, tls_context
from chat.push.vapid import Vapid
from chat.push.webpush import WebPush
from config.env import SettingError
from config.push import PushSettings
from config.push_files import read_apns_key, read_fcm_account


def open_providers(push: PushSettings) -> dict[DeviceKind, Provider]:
    """Return them; nothing connects before the first push, so that a process may fork until then.

    Raises: SettingError.
    """
    providers: dict[DeviceKind, Provider] = {}
    tls = tls_context(push.ca_file)
    if push.vapid_key is not None:
        transport = Transport(tls, push.trusted_hosts)
        vapid = Vapid(push.vapid_key, push.vapid_subject)
        providers[DeviceKind.WEBPUSH] = WebPush(transport, vapid, push.webpush_hosts, push.trusted_hosts)
    if push.fcm_account is not None:
        transport = Transport(tls, push.trusted_hosts)
        place = _place("PUSH_FCM_URL", push.fcm_url)
        providers[DeviceKind.FCM] = Fcm(transport, _account(push.fcm_account), place)
    if push.apns_key is not None:
        # with a context of its own: the protocols that a connection offers are set on it
        transport = Transport(tls_context(push.ca_file), push.trusted_hosts, is_http2=True)
        key = ApnsKey(read_apns_key("PUSH_APNS_KEY", push.apns_key), push.apns_key_id, push.apns_team_id)
        place = _place("PUSH_APNS_URL", push.apns_url)
        providers[DeviceKind.APNS] = Apns(transport, key, push.apns_topic, place)
    return providers


def _account(file: Path) -> ServiceAccount:
    told = read_fcm_account("PUSH_FCM_ACCOUNT", file)
    endpoint = _place("PUSH_FCM_ACCOUNT", told.token_uri)
    return ServiceAccount(told.project_id, told.email, told.private_key, told.key_id, endpoint, told.token_uri)


def _place(name: str, url: str) -> Endpoint:
    place = read_address(url)
    if place is None:
        raise SettingError(name, "names an address that is not https://HOST[:PORT]/PATH", "correct it")
    return place
