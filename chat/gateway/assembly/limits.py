"""Limits of the settings, as connections enforce them and as clients are told."""

from __future__ import annotations

from chat.gateway.connection import ConnectionLimits
from config.settings import LimitSettings


def connection_limits(limits: LimitSettings) -> ConnectionLimits:
    """Return what one connection may do."""
    return ConnectionLimits(
        frame_limit_bytes=limits.frame_limit_bytes,
        backlog_limit_bytes=limits.backlog_limit_bytes,
        max_frames_per_s=limits.frames_per_s,
    )


def told_limits(limits: LimitSettings) -> dict[str, int]:
    """Return the limits as `welcome` tells them."""
    return {
        "messagesPerSecond": limits.messages_per_s,
        "framesPerSecond": limits.frames_per_s,
        "joinsPerSecond": limits.joins_per_s,
        "socketsPerUser": limits.sockets_per_user,
        "socketsPerAddress": limits.sockets_per_address,
        "restPerSecond": limits.rest_per_s,
        "frameBytes": limits.frame_limit_bytes,
        "contentBytes": limits.content_limit_bytes,
        "roomsPerSocket": limits.rooms_per_socket,
    }
