"""What the HTTP side has to do with push: the routes of devices, of choices and of dead letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from flask import Blueprint

from chat.broker.dead_letters import DeadLetters
from chat.errors import NoAnswer
from chat.gateway.assembly.ground import Ground
from chat.gateway.assembly.parts import Parts
from chat.gateway.dead_letters import MESSAGE, LetterDesk, Letters, MessageLetters
from chat.gateway.rest import dead_letters, devices, push_choices
from chat.push.endpoints import check_endpoint
from chat.push.vapid import public_key
from chat.services.devices import Devices
from chat.services.push_choices import PushChoices


def push_routes(parts: Parts) -> list[Blueprint]:
    """Return the routes."""
    ground, settings = parts.ground, parts.ground.settings.push
    key = public_key(settings.vapid_key) if settings.vapid_key else None
    check = partial(check_endpoint, hosts=settings.webpush_hosts, trusted=settings.trusted_hosts)
    push = devices.Push(check, key, _no_results, _nobody_sends)
    messages = MessageLetters(_letters_of(ground), ground.cold_start.warm, parts.wakers.drain)
    kinds: dict[str, Letters] = {MESSAGE: messages}
    return [
        devices.blueprint(Devices(ground.store), push),
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


def _no_results(_ids: Sequence[str]) -> Mapping[str, object]:
    return {}


def _nobody_sends(_user_id: str) -> Sequence[object]:
    raise NoAnswer("no worker sends notifications now; see docs/push.md")
