"""The routes of a server as its own code has them; run under gevent by `gevent_run`."""

from __future__ import annotations

import tempfile

from chat.gateway.assembly import WakeUps, build
from config.settings import load_settings

OWN_METHODS = {"HEAD", "OPTIONS"}  # Flask adds them


def routes_of(auth_mode: str) -> list[str]:
    """Return each route as `METHOD /path`, and those of sockets as `WS /path`."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {"AUTH_MODE": auth_mode, "AUTH_SECRET": "s" * 64, "STORE_URL": f"sqlite:///{folder}/chat.db"}
        server = build(load_settings(environ), WakeUps(list, list, list, list, list, lambda *_: None))
        rules = list(server.app.url_map.iter_rules())
    found = [f"WS {each.rule}" for each in rules if each.websocket]
    plain = [each for each in rules if not each.websocket]
    return found + [f"{method} {each.rule}" for each in plain for method in (each.methods or set()) - OWN_METHODS]
