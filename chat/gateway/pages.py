"""The web client at `/`: after a request here the browser has a page that may load and reach this server alone."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

from flask import Blueprint, Response, abort, request

PAGE = "index.html"
WORKER = "sw.js"  # at the top, or it could not serve the page there
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
# A Host header goes into the policy only when it can say nothing but a host.
HOST = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the page as it is sent."""

    body: bytes
    content_type: str
    etag: str


def blueprint(auth_mode: str) -> Blueprint:
    """Return the routes of the page, which learns from its markup whether the server is in `dev` or `jwt` mode."""
    routes = Blueprint("pages", __name__)
    assets = _read_all(auth_mode)

    @routes.get("/")
    def page() -> Response:
        return _answer(assets[PAGE])

    @routes.get(f"/{WORKER}")
    def worker() -> Response:
        return _answer(assets[WORKER])

    @routes.get("/assets/<name>")
    def asset(name: str) -> Response:
        if name not in assets or name in (PAGE, WORKER):
            abort(404)
        return _answer(assets[name])

    return routes


def content_policy(host: str) -> str:
    """Return the Content-Security-Policy for a page of that host.

    `'self'` covers the WebSocket of the same host in today's browsers; those before 2022 want it by name.
    """
    sockets = f" ws://{host} wss://{host}" if HOST.fullmatch(host) else ""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"connect-src 'self'{sockets}; worker-src 'self'; manifest-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types service-worker"
    )


def _read_all(auth_mode: str) -> dict[str, Asset]:
    """Read every file once; a server that runs does not see later changes."""
    found = {}
    for file in (files("chat.gateway") / "web").iterdir():
        content_type = TYPES.get(file.name[file.name.rfind(".") :])
        if content_type is None:
            continue
        body = file.read_bytes()
        if file.name == PAGE:
            body = body.replace(b"{{AUTH_MODE}}", auth_mode.encode())
        found[file.name] = Asset(body, content_type, hashlib.sha256(body).hexdigest()[:16])
    return found


def _answer(asset: Asset) -> Response:
    """Return the file, or 304 when the browser has it: it asks each time, so a new release is seen at once."""
    response = Response(asset.body, content_type=asset.content_type)
    response.set_etag(asset.etag)
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Content-Security-Policy"] = content_policy(request.host)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.make_conditional(request)
    return response
