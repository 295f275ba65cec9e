"""A whole running chat for black-box tests: `make run`'s stack, its clients, and ways to hurt it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import psutil
import redis
import requests

from tests.support.answers import checked
from tests.support.chat_client import ChatClient
from tests.support.ports import free_port
from tests.support.stack_process import CLEARED, StackProcess
from tests.support.wait import eventually
from workers.lifeline import tied_to_me

START_TIMEOUT_S = 90  # five Python programs at once on a busy machine
ROOT = Path(__file__).resolve().parents[2]
POISON = "poison"
TRIGGER = (
    f"CREATE TRIGGER IF NOT EXISTS no_poison BEFORE INSERT ON message WHEN new.body LIKE '%{POISON}%'"
    " BEGIN SELECT RAISE(ABORT, 'poison is not stored'); END"
)
WORKERS, WEB, VALKEY = (
    "workers.celery_app worker",
    "app.py",
    "valkey-server",
)  # what the command lines of parts hold
FOR_CROWDS = {"MAX_MESSAGES_PER_S": "0", "DRAIN_BATCH": "100", "RECLAIM_IDLE_S": "2"}  # environment


class ChatServer:
    """A chat at an address, seen from outside; `store_path` is its store's file."""

    def __init__(self, port: str, store_path: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.ws_url = f"ws://127.0.0.1:{port}/ws"
        self.address = ("127.0.0.1", int(port))
        self.store_path = store_path
        self._clients: list[ChatClient] = []

    def client(self, token: str | None = None, **options: Any) -> ChatClient:
        """Return a connected client: a guest without a token. It ends with the test."""
        client = ChatClient(options.pop("url", self.ws_url), token, **options)
        self._clients.append(client)
        return client

    def close_clients(self) -> None:
        """Let every client leave."""
        while self._clients:
            self._clients.pop().close()

    def token(self, user_id: str) -> str:
        """Return a token for anybody."""
        body = {"user_id": user_id, "user_name": user_id.title()}
        return str(self.post("/api/v1/dev/token", body).json()["token"])

    def post(self, path: str, body: Any, token: str | None = None) -> requests.Response:
        """Send a REST request."""
        return self.request("POST", path, body, token)

    def request(self, method: str, path: str, body: Any = None, token: str | None = None) -> requests.Response:
        """Send any REST request; the answer is as its description says."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return checked(requests.request(method, self.url + path, json=body, headers=headers, timeout=20))

    def get(self, path: str, token: str | None = None) -> requests.Response:
        """Ask over REST."""
        return self.request("GET", path, token=token)

    def stats(self) -> dict[str, Any]:
        """Return what /stats tells."""
        told: dict[str, Any] = self.get("/stats").json()
        return told

    def quiet_stats(self) -> dict[str, Any]:
        """Return what /stats tells once everything accepted is settled."""
        return eventually(lambda: told if (told := self.stats())["outboxLength"] == 0 else None) or {}

    def is_ready(self) -> bool:
        """Tell whether /readyz is 200."""
        try:
            return self.get("/readyz").status_code == 200
        except requests.RequestException:
            return False

    @contextmanager
    def locked_store(self) -> Iterator[Callable[[], None]]:
        """Let nobody write to the store meanwhile, or until the yielded function is called."""
        database = sqlite3.connect(self.store_path, isolation_level=None, timeout=10)
        try:
            database.execute("BEGIN EXCLUSIVE")
            yield database.close
        finally:
            database.close()

    def refuse_poison(self) -> None:
        """Make the store refuse every message with POISON in it."""
        database = sqlite3.connect(self.store_path, timeout=30)
        database.execute(TRIGGER)
        database.close()

    def stored(self, room_id: str) -> list[dict[str, Any]]:
        """Return the room's messages as the store's file has them, by number."""
        database = sqlite3.connect(self.store_path)
        try:
            rows = database.execute("SELECT body FROM message").fetchall()
        finally:
            database.close()
        found = [document for (body,) in rows if (document := json.loads(body))["room_id"] == room_id]
        return sorted(found, key=lambda each: int(each["seq"]))


class ChatSystem(ChatServer):
    """One run of the whole stack; `with ChatSystem() as system: …` gives it ready."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="chat-system-"))
        self.stack = StackProcess(self._folder / "var", environ, module="workers.stack")
        super().__init__(self.stack.environ["PORT"], self._folder / "var" / "chat.db")

    @property
    def redis_url(self) -> str:
        """The address of the embedded server, or of the given one."""
        given = self.stack.environ.get("REDIS_URL")
        return given or f"redis://127.0.0.1:{(self.stack.data_dir / 'run' / 'redis-port').read_text().strip()}/0"

    @property
    def redis(self) -> redis.Redis:
        """A new client of the chat's Redis."""
        return redis.Redis.from_url(self.redis_url, decode_responses=True)

    def await_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until /readyz is 200; raises AssertionError with what the stack wrote when that takes too long."""
        try:
            eventually(lambda: self.is_ready() or self.stack.process.poll() is not None, timeout_s, 0.1)
            assert self.stack.process.poll() is None, "the stack ended"
        except AssertionError as exc:
            raise AssertionError(f"{exc}\n{self.stack.output}") from exc

    def await_workers(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until a message is confirmed: web is ready before the workers are."""
        with ChatClient(self.ws_url) as client:
            client.say(room_name(), "is anybody working?")
            client.until(lambda: client.of("message-confirmed"), timeout_s)

    def processes(self, having: str) -> list[psutil.Process]:
        """Return the stack's processes with this in their command line."""
        return self.stack.processes(having)

    def kill(self, having: str) -> list[int]:
        """SIGKILL every process with this in its command line; return their ids."""
        killed = self.processes(having)
        for each in killed:
            with suppress(psutil.NoSuchProcess):  # a child ends with its parent
                each.kill()
        return [each.pid for each in killed]

    def __enter__(self) -> ChatSystem:
        with ExitStack() as on_failure:
            on_failure.push(self.__exit__)
            self.await_ready()
            self.await_workers()
            on_failure.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in self._clients:
            each.drop()
        self.stack.__exit__(None, None, None)
        eventually(lambda: not self.stack.processes())  # or they write on while the folder is removed
        shutil.rmtree(self._folder, ignore_errors=True)


class LoneServer(ChatServer):
    """Only the web server, `python app.py`, on somebody else's Redis: starts in a second."""

    def __init__(
        self, redis_url: str, environ: Mapping[str, str] | None = None, store_path: Path | None = None
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="chat-server-"))
        port = str(free_port())
        super().__init__(port, store_path or self._folder / "chat.db")
        own = {"PORT": port, "DATA_DIR": str(self._folder), "REDIS_URL": redis_url, **(environ or {})}
        own.setdefault("STORE_URL", f"sqlite:///{self.store_path}")
        self.settings = own
        with (self._folder / "out").open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"],
                cwd=ROOT,
                env={**{name: value for name, value in os.environ.items() if name not in CLEARED}, **own},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=tied_to_me(signal.SIGKILL),
            )

    @property
    def output(self) -> str:
        """All that it has written so far."""
        return (self._folder / "out").read_text()

    def __enter__(self) -> LoneServer:
        with ExitStack() as on_failure:
            on_failure.push(self.__exit__)
            eventually(lambda: self.is_ready() or self.process.poll() is not None, START_TIMEOUT_S, 0.05)
            assert self.process.poll() is None, self.output
            on_failure.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in self._clients:
            each.drop()
        self.process.kill()
        self.process.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)


S = TypeVar("S", bound=ChatSystem)


@contextmanager
def healed(system: S) -> Iterator[S]:
    """Lend a system, healed from what an earlier test did, and end the clients that it gets."""
    system.await_ready()
    system.await_workers()
    yield system
    system.close_clients()


def room_name() -> str:
    """Return a name that no other test uses."""
    return f"room-{uuid.uuid4().hex[:10]}"


def paced(rounds: int, pause_s: float) -> Iterator[int]:
    """Yield the number of each round, so that rounds begin `pause_s` apart however long they take."""
    start = time.monotonic()
    for number in range(rounds):
        if (wait_s := start + number * pause_s - time.monotonic()) > 0:
            time.sleep(wait_s)  # the pace is what is asked for
        yield number
