"""The Celery app: `celery -A workers.celery_app worker -Q persist`, and beat and Flower alike."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from celery import Celery, signals
from kombu.entity import Queue

from config import logging as chat_logging
from config.env import SettingError
from config.settings import LogSettings, Settings, load_settings
from tasks.context import redis_address
from tasks.schedule import beat_schedule
from workers.celery_broker import beat_settings, broker_settings
from workers.self_heal import SelfHeal

TASK_MODULES = ("tasks.persist", "tasks.seen", "tasks.unread", "tasks.threads", "tasks.push", "tasks.maintenance")
QUEUES = ("persist", "seen", "unread", "push", "maintenance")

# A hung task must end by itself long before the broker hands it to a second worker.
SOFT_LIMIT_S = 60
HARD_LIMIT_S = 90
VISIBILITY_TIMEOUT_S = 180

# kombu's default is to wait for ever on a hung Redis, and to look for lost tasks every 100 s.
TRANSPORT_OPTIONS = {
    "visibility_timeout": VISIBILITY_TIMEOUT_S,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "retry_on_timeout": False,
}

# A beat that died is followed by another after `lock` seconds at most; each renews it every `loop`.
BEAT_LOCK_S = 30
BEAT_LOOP_S = 6


def make_app(settings: Settings) -> Celery:
    """Return the app for these settings.

    Raises: SettingError, when no Redis is named.
    """
    url = settings.celery.broker_url or redis_address(settings).url
    app = Celery("chat", include=TASK_MODULES, set_as_current=True)
    broker = broker_settings(url)
    options = {**TRANSPORT_OPTIONS, **broker.pop("broker_transport_options", {})}
    app.conf.update(_FIXED, **broker, **beat_settings(url), broker_transport_options=options)
    app.steps["consumer"].add(SelfHeal)
    return app


def _queue(name: str) -> Queue:
    """Return a queue that is reached by its name alone: it needs no binding in Redis that could get lost."""
    return Queue(name, routing_key=name)  # type: ignore[no-untyped-call]


_FIXED: dict[str, Any] = {
    "accept_content": ["json"],
    "task_serializer": "json",
    "timezone": "UTC",
    "task_queues": [_queue(name) for name in QUEUES],
    "task_default_queue": "maintenance",
    "task_create_missing_queues": False,
    "task_routes": {f"tasks.{name}.*": {"queue": name} for name in QUEUES},
    "task_ignore_result": True,
    "result_expires": None,  # there are none, so beat needs no job to clean them up
    "task_acks_late": True,
    # Delivering again would kill worker after worker; the outbox keeps what the task was about.
    "task_reject_on_worker_lost": False,
    "task_soft_time_limit": SOFT_LIMIT_S,
    "task_time_limit": HARD_LIMIT_S,
    "worker_prefetch_multiplier": 1,
    "worker_cancel_long_running_tasks_on_connection_loss": True,
    "worker_send_task_events": True,
    "task_send_sent_event": True,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_connection_timeout": 2,
    "beat_schedule": beat_schedule(),
    "beat_scheduler": "redbeat.RedBeatScheduler",
    "beat_max_loop_interval": BEAT_LOOP_S,
    "redbeat_lock_timeout": BEAT_LOCK_S,
    "redbeat_key_prefix": "chat:beat:",
}


def _configure_logging(log: LogSettings) -> None:
    chat_logging.configure(log.level, log.format)
    if log.level != "DEBUG":
        # Lines for each wake-up and each beat tell nothing; Flower has them.
        for name in ("celery.app.trace", "celery.worker.strategy", "celery.beat"):
            logging.getLogger(name).setLevel(logging.WARNING)


def _start() -> Celery:
    try:
        settings = load_settings(os.environ)
        celery_app = make_app(settings)
    except SettingError as fault:
        print(fault, file=sys.stderr)
        sys.exit(2)
    # With a receiver of this signal Celery leaves the logging to us.
    signals.setup_logging.connect(lambda **_: _configure_logging(settings.log), weak=False)
    return celery_app


app = _start()
