"""One part of the stack: `python -m workers.part NAME` becomes that part's command.

Before it does, the process is tied to the supervisor's life, holds the part's lock and has waited
for Redis.
"""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import sys
import time
from pathlib import Path

from workers import scheduling
from workers.lifeline import die_with_parent
from workers.parts import PARTS_FILE, SUPERVISOR_PID_FILE, Part, load_part

OPEN_FILES = 65_536  # one per socket: the usual soft limit of 1024 is no chat server's
PING_EVERY_S = 0.1
LOCK_WAIT_S = 30.0


def main() -> None:
    """Become the command of the part that is named on the command line."""
    parts_file = Path(os.environ[PARTS_FILE])
    part = load_part(sys.argv[1], parts_file)
    # By its file: who is our parent now is somebody else already when the supervisor has just died.
    supervisor = int(parts_file.with_name(SUPERVISOR_PID_FILE).read_text())
    die_with_parent(supervisor, signal.Signals[part.death_signal])
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _raise_open_files()
    if part.lock_file and not hold_lock(Path(part.lock_file), LOCK_WAIT_S):
        sys.exit(f"another process still works in {Path(part.lock_file).parent}")
    if part.await_redis_s:
        await_redis(os.environ["REDIS_URL"], part.await_redis_s)
    become(part)


def hold_lock(file: Path, timeout_s: float) -> bool:
    """Take the lock for as long as this process lives, also after it became another program."""
    lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(lock, True)
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(PING_EVERY_S)


def await_redis(url: str, timeout_s: float) -> bool:
    """Wait until Redis answers PING; the part starts all the same when it does not."""
    from workers.redis_probe import probe  # the driver takes long to load, and not every part waits

    deadline = time.monotonic() + timeout_s
    while probe(url) is not None:
        if time.monotonic() >= deadline:
            return False
        time.sleep(PING_EVERY_S)
    return True


def become(part: Part) -> None:
    """Replace this process by the part's command; its id stays."""
    scheduling.take(part.turns)
    try:
        os.execvp(part.command[0], part.command)
    except OSError as fault:
        sys.exit(f"can't start {part.command[0]}: {fault.strerror}")


def _raise_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    main()
