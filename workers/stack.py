"""`make run`: after it has started, every part of the chat runs on this machine; after it ends, none does."""

from __future__ import annotations

import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from config.env import SettingError
from config.settings import Settings, load_settings
from workers import checks, orphans
from workers.dev_secret import dev_secret
from workers.lifeline import die_with_parent
from workers.parts import Part, chat_parts
from workers.readiness import start_watching
from workers.supervision import Interpreter, Supervisor
from workers.valkey import pick_port, remembered_port, valkey_part
from workers.vapid_key import vapid_key
from workers.voice import Lines, Voice

ROOT = Path(__file__).resolve().parent.parent
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
READ_SIZE = 64 * 1024
LOOK_EVERY_S = 1.0
LEFTOVER_GRACE_S = 3.0

Table = Callable[[Settings, Part | None], Sequence[Part]]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is settled before the first process starts."""

    settings: Settings
    environ: dict[str, str]  # what every part gets
    parts: Sequence[Part]
    run_dir: Path


def main(table: Table = chat_parts) -> int:
    """Run the stack until it is told to stop; return the exit code.

    With `--with-parent` it stops too when the process that started it dies.
    """
    if "--with-parent" in sys.argv:
        die_with_parent(os.getppid(), signal.SIGTERM)
    try:
        plan = prepare(os.environ, table)
    except SettingError as fault:
        print(fault, file=sys.stderr)
        return 2
    return Stack(plan).run()


def prepare(environ: Mapping[str, str], table: Table = chat_parts) -> Plan:
    """Check all that can be wrong, and settle ports, addresses and keys.

    Raises: SettingError.
    """
    own = dict(environ)
    own["AUTH_MODE"] = own.get("AUTH_MODE") or "dev"
    settings = load_settings(own)
    data_dir = settings.data_dir.resolve()
    run_dir = data_dir / "run"
    checks.check_folder("DATA_DIR", data_dir)
    checks.check_folder("DATA_DIR", run_dir)
    checks.check_ports(settings)
    checks.check_priority(settings)
    checks.lock_data(data_dir)
    _check_servers(settings)
    checks.check_store(settings, own)
    valkey = None if settings.redis.url else _embed(settings, own, data_dir)
    if settings.auth.is_dev and not own.get("AUTH_SECRET"):
        own["AUTH_SECRET"] = dev_secret(data_dir, settings.redis.url)
    if settings.push.vapid_key is None:
        settings = _with_vapid_key(settings, own, data_dir)
    return Plan(settings, own, table(settings, valkey), run_dir)


def _with_vapid_key(settings: Settings, environ: dict[str, str], data_dir: Path) -> Settings:
    key = environ["PUSH_VAPID_KEY"] = vapid_key(data_dir, settings.redis.url)
    return replace(settings, push=replace(settings.push, vapid_key=key))


def _check_servers(settings: Settings) -> None:
    if settings.redis.url:
        checks.check_redis("REDIS_URL", settings.redis.url)
    if settings.celery.broker_url and settings.celery.broker_url != settings.redis.url:
        checks.check_redis("CELERY_BROKER_URL", settings.celery.broker_url)


def _embed(settings: Settings, environ: dict[str, str], data_dir: Path) -> Part:
    port = settings.redis.embedded_port
    if port:
        checks.check_port("EMBEDDED_REDIS_PORT", "127.0.0.1", port)
    else:
        port = remembered_port(data_dir / "run" / "redis-port", pick_port)
    environ["REDIS_URL"] = f"redis://127.0.0.1:{port}/0"
    return valkey_part(data_dir, port)


class Stack:
    """The running whole: one supervisor, its parts and their output."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._supervisor = Supervisor(plan.parts, plan.run_dir)
        width = max(len(part.name) for part in plan.parts)
        self._voice = Voice(plan.settings.log.format, width)
        self._noise = {part.name: part.noise for part in plan.parts}
        self._interpreter = Interpreter()
        self._lines: dict[int, Lines] = {}
        self._selector = selectors.DefaultSelector()
        self._stop_by: float | None = None

    def run(self) -> int:
        """Start everything, pass on what it says, and end with nothing left behind."""
        signals = self._catch_signals()
        orphans.adopt()
        self._supervisor.start(self._plan.environ, ROOT)
        self._listen(signals, self._supervisor.log, *self._supervisor.outputs)
        web = self._plan.settings.web
        leaving = start_watching(web.host, web.port, self._plan.settings.flower_port, self._voice.say)
        while not self._supervisor.has_ended():
            if self._turn(signals):
                leaving.set()
                self._stop()
        leaving.set()
        self._read_all(signals)
        orphans.sweep_all(LEFTOVER_GRACE_S)
        return self._farewell()

    def _turn(self, signals: int) -> bool:
        """Handle what has happened; return whether a signal asks us to stop."""
        is_told = False
        for key, _ in self._selector.select(LOOK_EVERY_S):
            if key.fd == signals:
                is_told = bool(set(os.read(signals, READ_SIZE)) & set(STOP_SIGNALS))
            else:
                self._read(key.fd)
        if not self._supervisor.has_ended():  # its parts would look like orphans
            orphans.sweep(kept=self._supervisor.pid)
        if self._stop_by is not None and time.monotonic() > self._stop_by:
            self._supervisor.kill()
        return is_told

    def _stop(self) -> None:
        if self._stop_by is None:
            self._stop_by = time.monotonic() + self._supervisor.longest_stop_s + LEFTOVER_GRACE_S
            self._supervisor.ask_to_stop()
        else:  # told twice: at once
            self._supervisor.kill()

    def _read(self, pipe: int) -> None:
        try:
            data = os.read(pipe, READ_SIZE)
        except BlockingIOError:
            return
        if not data:
            self._selector.unregister(pipe)
        for line in self._lines.setdefault(pipe, Lines()).feed(data):
            self._tell(pipe, line)

    def _tell(self, pipe: int, line: str) -> None:
        part = self._supervisor.outputs.get(pipe)
        if part is not None:
            if not any(noise in line for noise in self._noise[part]):
                self._voice.pass_on(part, line)
        elif told := self._interpreter.read(line):
            self._voice.say(told)

    def _read_all(self, signals: int) -> None:
        for key in list(self._selector.get_map().values()):
            if key.fd != signals:
                self._read(key.fd)

    def _farewell(self) -> int:
        if self._stop_by is not None:
            self._voice.say("stopped, nothing is left running")
            return 0
        print(f"the supervisor ended: {self._supervisor.last_words()}; all parts are stopped", file=sys.stderr)
        return 1

    def _listen(self, *pipes: int) -> None:
        for pipe in pipes:
            os.set_blocking(pipe, False)
            self._selector.register(pipe, selectors.EVENT_READ)

    def _catch_signals(self) -> int:
        """Turn signals into bytes on a pipe, next to all else that we wait for."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            signal.signal(number, lambda *_: None)
        return reading


if __name__ == "__main__":
    sys.exit(main())
