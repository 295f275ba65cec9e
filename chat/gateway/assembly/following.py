"""What follows rooms and memberships over all servers, and who is told by the relay."""

from __future__ import annotations

from dataclasses import dataclass

from chat.broker import keys
from chat.gateway.assembly.accepting import Accepting
from chat.gateway.assembly.ground import Ground
from chat.gateway.assembly.rooms import RoomParts
from chat.gateway.cut_offs import CutOffs
from chat.gateway.lobby import send_to_resume
from chat.gateway.presence import LivePresence
from chat.gateway.rooms import LocalRooms
from chat.services.preferences import Preferences


@dataclass(frozen=True, slots=True)
class Following:
    """What hears the other servers."""

    rooms: LocalRooms
    cut_offs: CutOffs


def following_of(
    ground: Ground, rooms: RoomParts, accepting: Accepting, presence: LivePresence, preferences: Preferences
) -> Following:
    """Return what follows rooms, named to all that have waited for it: the relay, the hub, what changes rooms."""
    broker, hub, relay = ground.broker, ground.hub, ground.relay
    local = LocalRooms(hub, broker.log, ground.cold_start.locate, send_to_resume, accepting.settler.kick)
    cut_offs = CutOffs(
        ground.node_id,
        hub,
        rooms.membership,
        accepting.accept.is_sending,
        ground.publish,
        broker.counters.live,
        lambda: min(relay.heard_until(keys.MEMBERS_CHANNEL), broker.counters.listed_until),
        presence.removed,
    )
    rooms.changes.await_cut = cut_offs.wait
    hub.on_cut = presence.removed
    relay.on_lost = cut_offs.connection_lost, local.connection_lost, preferences.forget_all
    relay.on_again = local.subscribed_again, presence.heard_again
    relay.on_turn = cut_offs.renew_trust, hub.flush
    return Following(local, cut_offs)
