"""The chat's app with a beat in a hurry: the same proportions, six times as fast, and a tick each second."""

from __future__ import annotations

from tests.support.celery_nodes.pace import LOCK_S, LOOP_S, TICK_S, TIMES
from workers.celery_app import BEAT_LOCK_S, BEAT_LOOP_S, app

TASK = "tasks.maintenance.reclaim_outbox"

if (LOCK_S * TIMES, LOOP_S * TIMES) != (BEAT_LOCK_S, BEAT_LOOP_S):
    raise SystemExit("pace.py is out of step with workers.celery_app")

app.conf.update(
    redbeat_lock_timeout=LOCK_S,
    beat_max_loop_interval=LOOP_S,
    beat_schedule={TASK: {**app.conf.beat_schedule[TASK], "schedule": TICK_S}},
)
