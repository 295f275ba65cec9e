"""The beat table: one row per job, with its reason. Nothing here is needed for a message to arrive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Job:
    """A task that beat sends every `every_s` seconds."""

    task: str
    every_s: float
    reason: str


JOBS = (
    Job("tasks.maintenance.reclaim_outbox", 10, "the last net under lost wake-ups and killed workers"),
    Job("tasks.maintenance.announce_overdue", 10, "a server that died may not have told what it had stored"),
    Job(
        "tasks.maintenance.reconcile_rooms",
        60,
        "memberships are kept twice and cached: reconcile room and membership caches",
    ),
    Job("tasks.maintenance.sweep_presence", 10, "a server that was killed takes nobody offline"),
    Job("tasks.maintenance.reconcile_unread", 30, "mends counts that a crash between two steps left wrong"),
    Job("tasks.push.prune", 3600, "devices that nobody registers any more are gone: prune device tokens"),
    Job("tasks.maintenance.forget_consumers", 600, "each worker process that ever ran left a name behind"),
)


def beat_schedule(jobs: tuple[Job, ...] = JOBS) -> dict[str, dict[str, Any]]:
    """Return the table in Celery's form; a job that nobody took in time is not worth running late."""
    return {
        job.task: {"task": job.task, "schedule": job.every_s, "options": {"expires": max(job.every_s, 10)}}
        for job in jobs
    }
