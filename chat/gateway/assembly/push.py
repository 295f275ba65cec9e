"""What the HTTP side has to do with push: the routes of devices, of choices and of dead letters."""

from __future__ import annotations

from functools import partial

from flask import Blueprint

from chat.broker.dead_letters import DeadLetters
from chat.broker.push_dead import PushDeadLetters
from chat.broker.push_devices import PushDevices
from chat.broker.push_jobs import PushJobs
from chat.broker.push_results import PushResults
from chat.broker.push_tests import PushTests
from chat.gateway.assembly.ground import Ground
from chat.gateway.assembly.parts import Parts
from chat.gateway.dead_letters import MESSAGE, PUSH, LetterDesk, Letters, MessageLetters, PushLetters
from chat.gateway.rest import dead_letters, devices, push_choices
from chat.model.device import DeviceKind
from chat.push.endpoints import check_endpoint
from chat.push.vapid import public_key
from chat.services.devices import Devices
from chat.services.push_choices import PushChoices


def push_routes(parts: Parts) -> list[Blueprint]:
    """Return the routes."""
    ground, settings = parts.ground, parts.ground.settings.push
    key = public_key(settings.vapid_key) if settings.vapid_key else None
    check = partial(check_endpoint, hosts=settings.webpush_hosts, trusted=settings.trusted_hosts)
    client, wakers = ground.broker.client, parts.wakers
    push = devices.Push(check, key, PushResults(client).read, PushTests(client, wakers.push_test).run)
    jobs = PushJobs(client, tuple(DeviceKind), keep_s=settings.ttl_s)
    kinds: dict[str, Letters] = {
        MESSAGE: MessageLetters(_letters_of(ground), ground.cold_start.warm, wakers.drain),
        PUSH: PushLetters(PushDeadLetters(client, jobs), wakers.push),
    }
    return [
        devices.blueprint(Devices(ground.store, on_registered=PushDevices(client).registered), push),
        push_choices.blueprint(parts.rooms.membership, PushChoices(ground.store)),
        dead_letters.blueprint(LetterDesk(kinds)),
    ]


def _letters_of(ground: Ground) -> DeadLetters:
    settings = ground.settings
    return DeadLetters(
        ground.broker.client,
        outbox_limit=settings.limits.outbox_limit,
        log_length=settings.path.log_length,
        give_up_s=settings.path.give_up_s,
    )
