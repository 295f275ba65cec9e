"""Clients that mean harm, each a process of its own: `python -m tests.support.attackers NAME PORT SECONDS`.

What one did is printed as one line of JSON when its time is up.
"""

from __future__ import annotations

import json
import math
import select
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.raw_client import CLOSE, CONTINUATION, TEXT, RawClient, frame, request

ROOT = Path(__file__).resolve().parents[2]
PIECE_S = 0.01
MEGABYTE_A_SECOND = 1_000_000
HALF_HANDSHAKES = 600
DEAF, TALKERS, TALK_BYTES = 10, 12, 16_000
ROOMS_A_FRAME, JOIN_FRAMES_A_SECOND = 20, 50
ANSWERED_WITHIN_S, LAST = 20, "the-last"
CLOSED_WITHIN_S, RESET_WITHIN_MS = 15, 200

Told = Counter[str]


def flood(port: int, until: float, told: Told) -> None:
    """6-byte frames at 1 MB/s, from a new connection whenever the last one was closed."""
    _pour(port, until, told, frame(TEXT), b"")


def fragments(port: int, until: float, told: Told) -> None:
    """1-byte fragments of a message that never ends, at 1 MB/s."""
    _pour(port, until, told, frame(CONTINUATION, b"x", fin=False), frame(TEXT, b"x", fin=False))


def bomb(port: int, until: float, told: Told) -> None:
    """Compressed frames, 64 KB for 64 MB each, although compression was declined."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = (deflate.compress(bytes(64_000_000)) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]
    sent = frame(TEXT, packed[:65_000], rsv=4)
    while time.monotonic() < until:
        with RawClient(port) as raw:
            answer = raw.open(Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits")
            told["compression accepted"] += "sec-websocket-extensions" in answer
            with suppress(OSError):
                raw.send(sent * 3)
            told[f"closed with {_close_code(raw)}"] += 1


def half_handshakes(port: int, until: float, told: Told) -> None:
    """Handshakes by the hundreds that never end; whenever one is refused another one begins."""
    half = request().removesuffix(b"\r\n")
    with ExitStack() as stack:
        held: list[RawClient] = []
        while time.monotonic() < until:
            for each in [each for each in held if _is_over(each)]:
                held.remove(each)
                told["refused"] += 1
            if len(held) < HALF_HANDSHAKES:
                held.append(stack.enter_context(RawClient(port)))
                held[-1].send(half)
                told["begun"] += 1
            else:
                _await_refusal(held, until)
        told["held at the end"] = len(held)


def deaf(port: int, until: float, told: Told) -> None:
    """Readers that never read, with 4 KB of buffer, in a room where others talk."""
    with ExitStack() as stack:
        deaf = [stack.enter_context(RawClient(port, receive_buffer=4096)) for _ in range(DEAF)]
        talkers = [stack.enter_context(RawClient(port)) for _ in range(TALKERS)]
        for each in deaf + talkers:
            each.open()
        for each in deaf:
            each.send(frame(TEXT, _command("join-chat-rooms", roomIds=["busy"])))
        for each in talkers:  # not in the room, and yet they may talk in a channel
            threading.Thread(target=_listen, args=(each,), daemon=True).start()
        said = frame(TEXT, _command("send-chat-message", roomId="busy", content="x" * TALK_BYTES))
        alive = deaf
        while alive and time.monotonic() < until + CLOSED_WITHIN_S:
            for each in talkers:
                each.send(said)
                told["said"] += 1
            time.sleep(0.05)  # the pace of the attack
            if time.monotonic() > until:  # a busy machine may still have to tell some of them enough
                alive = [each for each in alive if not _is_dead(each)]
        told["deaf ones closed"] = len(deaf) - len(alive)


def joins(port: int, until: float, told: Told) -> None:
    """1,000 joins a second by one connection, each of a room that nobody has named before."""
    with RawClient(port) as raw:
        raw.open()
        reader = threading.Thread(target=_count_answers, args=(raw, told), daemon=True)
        reader.start()
        began_at, number = time.monotonic(), 0
        while time.monotonic() < until:
            rooms = [f"r{port}-{number + each}" for each in range(ROOMS_A_FRAME)]
            number += ROOMS_A_FRAME
            raw.send(frame(TEXT, _command("join-chat-rooms", roomIds=rooms)))
            raw.send(frame(TEXT, _command("leave-chat-rooms", roomIds=rooms)))
            time.sleep(1 / JOIN_FRAMES_A_SECOND)  # the pace of the attack
        told["rooms asked for"] = number
        raw.send(frame(TEXT, _command("leave-chat-rooms", LAST, roomIds=rooms)))
        reader.join(ANSWERED_WITHIN_S)  # what was asked for is answered in order, however slow the machine is
        told["seconds"] = math.ceil(time.monotonic() - began_at)


ATTACKERS: dict[str, Callable[[int, float, Told], None]] = {
    each.__name__: each for each in (flood, fragments, bomb, half_handshakes, deaf, joins)
}


class Attack:
    """One attacker at work; `told` is what it said of itself, once it is over."""

    def __init__(self, name: str, port: int, seconds: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, name, str(port), str(seconds)], cwd=ROOT, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()  # it has begun

    def result(self, timeout_s: float) -> dict[str, int]:
        """Wait for its end."""
        out, _ = self._process.communicate(timeout=timeout_s)
        assert self._process.returncode == 0
        told: dict[str, int] = json.loads(out.splitlines()[-1])
        return told

    def kill(self) -> None:
        """End it whatever it does."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def attack(name: str, port: int, seconds: float) -> Iterator[Attack]:
    """Yield an attack that has begun."""
    running = Attack(name, port, seconds)
    try:
        yield running
    finally:
        running.kill()


def _pour(port: int, until: float, told: Told, piece: bytes, first: bytes) -> None:
    load = piece * int(MEGABYTE_A_SECOND * PIECE_S / len(piece))
    while time.monotonic() < until:
        with RawClient(port) as raw:
            raw.open()
            try:
                raw.send(first)
                while time.monotonic() < until:
                    raw.send(load)
                    told["KB sent"] += len(load) // 1000
                    time.sleep(PIECE_S)  # the pace of the attack
            except OSError:
                told["closed"] += 1


def _close_code(raw: RawClient) -> int:
    try:
        opcode, payload = raw.receive()
        while opcode != CLOSE:
            opcode, payload = raw.receive()
    except (OSError, EOFError):
        return 1006
    return int.from_bytes(payload[:2])


def _await_refusal(held: list[RawClient], until: float) -> None:
    """Wait until the server answers one of these, or ends it, or the time is over."""
    poller = select.poll()
    for each in held:
        poller.register(each.sock, select.POLLIN)
    poller.poll(max(0.0, until - time.monotonic()) * 1000)


def _is_over(raw: RawClient) -> bool:
    raw.sock.setblocking(False)
    try:
        return raw.sock.recv(100) is not None
    except BlockingIOError:
        return False
    except OSError:
        return True


def _is_dead(raw: RawClient) -> bool:
    """Tell whether the server has ended a connection of which nothing was read: then it resets what is sent."""
    poller = select.poll()
    poller.register(raw.sock, select.POLLRDHUP)  # an error and a reset are told unasked
    try:
        raw.send(frame(TEXT, b"{}"))
    except OSError:
        return True
    return bool(poller.poll(RESET_WITHIN_MS))


def _listen(raw: RawClient) -> None:
    with suppress(OSError):
        while raw.sock.recv(1 << 20):
            pass


def _count_answers(raw: RawClient, told: Told) -> None:
    with suppress(OSError, EOFError, ValueError):
        while True:
            opcode, payload = raw.receive()
            if LAST.encode() in payload:
                return
            if opcode == CLOSE:
                told[f"closed with {int.from_bytes(payload[:2])}"] += 1
            elif b'"retryAfter"' in payload:
                told["rate-limited"] += 1
            elif b'"rooms"' in payload:
                told["rooms joined"] += ROOMS_A_FRAME
            elif b'"error"' in payload:
                told[json.loads(payload)["data"].get("code", "refused")] += 1


def _command(event: str, ack: str = "a", /, **data: Any) -> bytes:
    return json.dumps({"event": event, "data": data, "ack": ack}).encode()


def main() -> None:
    """Attack."""
    name, port, seconds = sys.argv[1:]
    told: Told = Counter()
    print("begun", flush=True)
    ATTACKERS[name](int(port), time.monotonic() + float(seconds), told)
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
