"""Couchbase's own CouchbaseMock for a test: the SDK's real protocol on ports that stay, and faults on request.

It lacks collections and synchronous durability, and forgets everything when it ends.
"""

from __future__ import annotations

import base64
import json
import random
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tests.support.couchbase_bucket import MockBucket
from tests.support.couchbase_jar import jar, java
from tests.support.wait import eventually
from workers.lifeline import tied_to_me

LAUNCHER = Path(__file__).with_suffix(".js")
SHELL = "org.mozilla.javascript.tools.shell.Main"
JVM_FLAGS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # small, and up in a second
START_TIMEOUT_S = 30.0
COMMAND_TIMEOUT_S = 10.0
PORTS = range(20_000, 32_000)  # below those that the system gives to outgoing connections
PORT_TRIES = 20
ADMINISTRATOR = {"Authorization": f"Basic {base64.b64encode(b'Administrator:password').decode()}"}  # the mock's own
REVISIONS_PER_LIFE = 1_000_000  # of the cluster's map: more than one mock comes to in its life


class CouchbaseMock:
    """`with CouchbaseMock() as mock: connect(mock.bucket.url)`; raises JarMissing where it can't run.

    `kill` and `start` bring it back on the same ports, and empty.
    """

    def __init__(self, *, nodes: int = 3, replicas: int = 1, vbuckets: int = 64, name: str = "chat") -> None:
        self.nodes = nodes
        self._name = name
        self._shape = [str(number) for number in (nodes, replicas, vbuckets)]
        self._rest_port = 0
        self._first_port = 0
        self._revision = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def bucket(self) -> MockBucket:
        """The first bucket, whose ports stay while this object lives."""
        return MockBucket(self, self._name, tuple(self._neighbours()))

    @property
    def url(self) -> str:
        """The first bucket's address, as `STORE_URL` takes it."""
        return self.bucket.url

    @property
    def rest_port(self) -> int:
        """Where HTTP is spoken: Couchbase's console has 8091 for that."""
        return self._rest_port

    @property
    def pid(self) -> int:
        """The running process's id."""
        return self._running().pid

    def start(self) -> None:
        """Start it and wait until its nodes listen."""
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._process = subprocess.Popen(
            [java(), *JVM_FLAGS, "-cp", str(jar()), SHELL, str(LAUNCHER), *self._shape],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            bufsize=1,
            preexec_fn=tied_to_me(signal.SIGKILL),
        )
        self._errors: IO[bytes] = errors
        self._revision += REVISIONS_PER_LIFE
        self._rest_port = int(self.order(f"listen {self._rest_port} {self._revision}"))
        self._create_first()

    def kill(self) -> None:
        """End it as `kill -9` does; nothing happens when it is not running."""
        if self._process is None:
            return
        with ExitStack() as closing:
            for pipe in (self._process.stdin, self._process.stdout, self._errors):
                if pipe is not None:
                    closing.push(pipe)
            self._process.kill()
            self._process.wait()
        self._process = None

    def restart(self) -> None:
        """Kill it and start it again on the same ports, empty."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Stop every node: connections stay open and nothing answers."""
        self._running().send_signal(signal.SIGSTOP)
        eventually(self._is_stopped, COMMAND_TIMEOUT_S)  # a thread may go on for a moment after the signal

    def thaw(self) -> None:
        """Let a frozen one go on."""
        self._running().send_signal(signal.SIGCONT)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze it for a while."""
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    @contextmanager
    def fresh_bucket(self) -> Iterator[MockBucket]:
        """Lend an empty bucket with ports of its own."""
        name = f"b{uuid.uuid4().hex[:12]}"
        self.order(f"create {name} 0")
        try:
            yield MockBucket(self, name, tuple(self.command("get_mcports", bucket=name)))
        finally:
            self.order(f"remove {name}")

    def travel(self, seconds: int) -> None:
        """Move its clock, by which documents and locks expire."""
        self.command("time_travel", Offset=seconds)

    def command(self, name: str, **parameters: object) -> Any:
        """Send one of the mock's own commands (`help` lists them) and return what it answers.

        Raises: RuntimeError when it refuses.
        """
        words = {key: each if isinstance(each, str) else json.dumps(each) for key, each in parameters.items()}
        said = self._ask(f"/mock/{name}?{urlencode(words)}")
        try:
            answer = json.loads(said)
        except ValueError:  # Java's own words
            raise RuntimeError(f"{name}: {said.decode(errors='replace')}") from None
        if answer["status"] != "ok":
            raise RuntimeError(f"{name}: {answer}")
        return answer.get("payload")

    def order(self, order: str) -> str:
        """Have the launcher do something (it lists its orders) and return its answer; raises RuntimeError."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{order}\n")
        word, _, answer = process.stdout.readline().strip().partition(" ")
        if word == "ok":
            return answer
        raise RuntimeError(f"{order}: {answer or self._last_words()}")

    def get(self, path: str) -> bytes:
        """Ask something of Couchbase's REST interface."""
        return self._ask(path)

    def post(self, path: str) -> None:
        """Send an order of Couchbase's REST interface."""
        self._ask(path, data=b"")

    def __enter__(self) -> CouchbaseMock:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _create_first(self) -> None:
        """Make the first bucket on the ports that it had, or at the first start on free neighbours."""
        if self._first_port:  # they may still be closing
            eventually(lambda: all(map(_is_free, self._neighbours())), START_TIMEOUT_S)
        for tries in range(PORT_TRIES):
            port = self._first_port or random.Random().choice(PORTS)
            try:
                self.order(f"create {self._name} {port}")
            except RuntimeError:
                if self._first_port or tries == PORT_TRIES - 1:
                    raise
            else:
                self._first_port = port
                return

    def _neighbours(self) -> range:
        return range(self._first_port, self._first_port + self.nodes)

    def _is_stopped(self) -> bool:
        threads = Path(f"/proc/{self.pid}/task").glob("*/stat")
        return all(thread.read_text().rpartition(")")[2].split()[0] == "T" for thread in threads)

    def _last_words(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-2000:].decode(errors="replace")

    def _ask(self, path: str, data: bytes | None = None) -> bytes:
        request = Request(f"http://127.0.0.1:{self._rest_port}{path}", data, ADMINISTRATOR)
        with urlopen(request, timeout=COMMAND_TIMEOUT_S) as answer:
            body: bytes = answer.read()
            return body

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise RuntimeError("the mock is not running")
        return self._process


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
