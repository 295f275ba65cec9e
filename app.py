"""The web server: gevent first, then settings, then everything else. `make run` runs it, or `python app.py`."""

from gevent import monkey

monkey.patch_all()

# Patched before anything opens a socket or makes a lock, so the imports come late.
import logging
import os
import signal
import sys

from gevent.event import Event
from gevent.signal import signal as on_signal

from chat.gateway.assembly import WakeUps, build
from chat.gateway.server import ChatServer
from config.env import SettingError
from config.logging import configure
from config.settings import load_settings
from tasks.persist import send_drain
from tasks.push import send_push, send_test
from tasks.seen import send_seen
from tasks.threads import send_threads
from tasks.unread import send_recount
from workers.celery_app import app as celery_app

log = logging.getLogger("chat.app")


def create_server() -> ChatServer:
    """Return a server as the environment sets it up; raises SettingError."""
    settings = load_settings(os.environ)
    configure(settings.log.level, settings.log.format)
    celery_app.set_default()  # where the wake-up is sent
    # Half of what a wake-up costs the loop, 0.4 ms; Flower hears of each from the worker that received it.
    celery_app.conf.task_send_sent_event = False
    return build(settings, WakeUps(send_drain, send_seen, send_recount, send_threads, send_push, send_test))


def main() -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    try:
        server = create_server()
        server.start()
    except (SettingError, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    stopping = Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        on_signal(each, lambda *_: stopping.set())
    stopping.wait()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
