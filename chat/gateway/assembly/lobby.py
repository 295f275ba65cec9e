"""Where connections come in, and who acts on what they send and on what is told to their users."""

from __future__ import annotations

from chat.gateway import expiry
from chat.gateway.admission import Admission
from chat.gateway.assembly.limits import told_limits
from chat.gateway.assembly.parts import Parts
from chat.gateway.dispatcher import Dispatcher
from chat.gateway.joining import Joining
from chat.gateway.lobby import Lobby
from chat.gateway.rate import JoinRate
from chat.protocol import commands


def lobby_of(parts: Parts) -> Lobby:
    """Return the lobby with its dispatcher."""
    ground, reading, typing = parts.ground, parts.reading.reading, parts.reading.typing
    limits = ground.settings.limits
    lobby = Lobby(
        ground.hub,
        ground.relay,
        _dispatcher_of(parts),
        told_limits(limits),
        ground.hub.unconfirmed.sender_told,
        parts.presence,
        Admission(limits.sockets_per_user, limits.sockets_per_address, ground.settings.auth.is_dev),
    )
    lobby.on_gone = typing.gone
    lobby.on_user_event[b"unread"] = reading.hear
    lobby.on_user_event[b"settings"] = lambda user_id, _: parts.reading.preferences.forget(user_id)
    return lobby


def _dispatcher_of(parts: Parts) -> Dispatcher:
    ground, stored, following = parts.ground, parts.stored, parts.following
    reading, typing = parts.reading.reading, parts.reading.typing
    limits, verify = ground.settings.limits, parts.gate.authenticator.verify
    return Dispatcher(
        ground.hub,
        parts.rooms.membership,
        parts.accepting.sending,
        Joining(following.rooms, ground.broker.log, following.cut_offs.require_still_in),
        stored.history,
        stored.fates,
        limits.rooms_per_socket,
        JoinRate(limits.joins_per_s),
        parts.presence,
        stored.amending,
        lambda session, token: expiry.refresh(session, verify(token)),
        quick={commands.Typing: typing.act, commands.GetPresence: parts.presence.look_at_once},
        slow={
            commands.Typing: typing.act_slowly,
            commands.MarkSeen: reading.mark,
            commands.GetUnread: reading.get_unread,
            commands.GetReplies: stored.thread_pages.get_replies,
        },
        on_sent=typing.stop,
        on_left=typing.stop,
        on_joined=parts.reading.ahead,
        standings=reading.standings,
    )
