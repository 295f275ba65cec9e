"""The real stack with small parts: `python -m tests.support.small_stack`, for tests of the stack itself.

Valkey is the real one; web is a small HTTP server that is always ready, and a job only waits.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from config.settings import Settings
from workers.parts import Part
from workers.stack import main

WEB = """
import http.server, os
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["AUTH_SECRET"].encode())
    def log_message(self, *_):
        pass
print("web listens")
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Ready).serve_forever()
"""

# It waits until somebody ends it; the alarm is for a test that forgot to.
WAIT = "import signal; signal.alarm(600); signal.pause()"

# Told so, it has a child of its own that outlives it.
JOB = f"""
import os, subprocess, sys
if "JOB_HAS_CHILD" in os.environ:
    subprocess.Popen([sys.executable, "-c", {WAIT!r}])
print("job waits")
{WAIT}
"""

STUBBORN_FOR_S = "STUBBORN_FOR_S"  # environment variable
STUBBORN = f"""
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
{WAIT}
"""


def small_parts(settings: Settings, valkey: Part | None) -> Sequence[Part]:
    """Return a part for each group."""
    return [
        *([valkey] if valkey else []),
        Part("web", "web", (sys.executable, "-c", WEB), await_redis_s=10),
        Part("job", "jobs", (sys.executable, "-c", JOB), await_redis_s=10),
        Part(
            "stubborn",
            "jobs",
            (sys.executable, "-c", STUBBORN),
            stop_wait_s=int(os.environ.get(STUBBORN_FOR_S, "1")),
        ),
    ]


if __name__ == "__main__":
    sys.exit(main(small_parts))
