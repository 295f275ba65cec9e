"""How fast the beats of tests are: a sixth of the lock and the loop of `workers.celery_app`."""

TIMES = 6
LOCK_S = 5
LOOP_S = 1
TICK_S = 1
