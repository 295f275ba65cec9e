"""What takes messages, over sockets and over HTTP, and stands for each until it is stored."""

from __future__ import annotations

from dataclasses import dataclass

import gevent

from chat.broker.group_commit import GroupCommit
from chat.broker.rates import RedisRates
from chat.broker.temp_messages import RedisTempMessages
from chat.gateway.assembly.ground import Ground
from chat.gateway.nudge import Nudge
from chat.gateway.posting import Posting
from chat.gateway.rate import UserRate
from chat.gateway.sending import Sending
from chat.gateway.server import Running
from chat.gateway.settler import Settler
from chat.gateway.shared_rate import SharedRate
from chat.gateway.temp_messages import TempMessages
from chat.services.accept import AcceptService
from chat.services.drafting import Drafting


@dataclass(frozen=True, slots=True)
class Accepting:
    """From a draft to a message."""

    commit: GroupCommit
    accept: AcceptService
    drafting: Drafting
    sending: Sending
    posting: Posting
    settler: Settler
    rate: SharedRate
    temp_messages: TempMessages

    def running(self) -> tuple[Running, ...]:
        """Return what is to be started, besides the commit, which is before anything else."""
        return self.settler, self.rate, self.temp_messages


def accepting_of(ground: Ground, wake_drain: Nudge) -> Accepting:
    """Return what takes messages."""
    settings, broker, hub, store = ground.settings, ground.broker, ground.hub, ground.store
    path, limits = settings.path, settings.limits
    commit = GroupCommit(broker.address, outbox_limit=limits.outbox_limit, log_length=path.log_length)
    temp_messages = TempMessages(RedisTempMessages(broker.address))
    accept = AcceptService(commit, ground.cold_start.warm, gevent.spawn, temp_messages.accepted)
    drafting = Drafting(content_limit_bytes=limits.content_limit_bytes, give_up_s=path.give_up_s)
    rate = _shared_rate(ground, limits.messages_per_s)
    return Accepting(
        commit,
        accept,
        drafting,
        Sending(drafting, accept, rate, hub.unconfirmed, store, wake_drain),
        Posting(drafting, accept, rate, wake_drain),
        Settler(hub, hub.unconfirmed, broker.log, store, wake_drain),
        rate,
        temp_messages,
    )


def _shared_rate(ground: Ground, per_s: int) -> SharedRate:
    local = UserRate(per_s)
    rates = RedisRates(ground.broker.client, per_s=per_s, burst_s=local.burst_s)
    return SharedRate(local, rates, lambda: 1 + len(ground.broker.counters.others(ground.node_id)))
