"""Which pages' browsers may connect."""

from __future__ import annotations

from chat.errors import OriginRefused


def check_origin(origin: str | None, host: str, allowed: tuple[str, ...]) -> None:
    """Return when a browser page of that origin may connect; raises OriginRefused.

    A request without Origin is no browser, and cross-site attacks need one, so it is let in. The server's own
    origin is whatever Host the request names, under http or https: TLS often ends before this server.
    """
    own = (f"http://{host}".lower(), f"https://{host}".lower())
    if origin is None or origin in allowed or origin.lower() in own:
        return
    raise OriginRefused("this origin is not allowed; add it to ALLOWED_ORIGINS", field="Origin")
