"""The writer on real socket pairs: one send a turn, nothing lost or reordered, slow readers told apart."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from chat.gateway.writer import Writer, write_all
from tests.support.greenlets import turn, turn_until

LIMIT = 100_000


class CountingSocket:
    """A native socket that counts its sends."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.sends = 0

    def send(self, data: bytes) -> int:
        self.sends += 1
        return self._sock.send(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


ENDS: list[End] = []


@pytest.fixture(autouse=True)
def _closed_ends():
    """Close every socket that a test opened."""
    yield
    while ENDS:
        ENDS.pop().close()


class End:
    """A writer, its owner, and the client at the other end."""

    def __init__(self, limit: int = LIMIT, send_buffer: int = 4096) -> None:
        ours, self.client = socket.socketpair()
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        self.client.setblocking(False)
        self.sock = CountingSocket(ours)
        self.writer = Writer(self.sock, self, limit)  # type: ignore[arg-type]
        self.overflows = self.breaks = 0
        ENDS.append(self)

    def close(self) -> None:
        self.writer.abort()
        self.sock.close()
        self.client.close()

    def writer_overflowed(self) -> None:
        self.overflows += 1

    def writer_broke(self) -> None:
        self.breaks += 1

    def fill(self) -> int:
        """Write until the kernel takes no more; return how many bytes that were."""
        written = 0
        while not self.writer.backlog_bytes:
            self.writer.write(b"f" * 1000)
            self.writer.flush_now()
            written += 1000
        return written

    def read(self) -> bytes:
        """Return what is there now, and empty at the end too."""
        try:
            return self.client.recv(1 << 20)
        except BlockingIOError:
            return b""

    def read_all(self, size: int) -> bytes:
        got = bytearray()

        def is_in() -> bool:
            got.extend(self.read())
            return len(got) >= size

        turn_until(is_in)
        return bytes(got)


@pytest.fixture
def end() -> Iterator[End]:
    made = End()
    yield made
    made.writer.abort()
    made.sock.close()
    made.client.close()


def test_writes_of_a_turn_are_one_send_in_order(end: End) -> None:
    for number in range(5):
        end.writer.write(b"%d" % number)
    assert end.sock.sends == 0
    assert end.read_all(5) == b"01234"
    assert end.sock.sends == 1


def test_next_turn_sends_again(end: End) -> None:
    end.writer.write(b"a")
    assert end.read_all(1) == b"a"
    end.writer.write(b"b")
    assert end.read_all(1) == b"b"
    assert end.sock.sends == 2


def test_flush_now_sends_at_once_and_the_turn_adds_nothing(end: End) -> None:
    end.writer.write(b"a")
    end.writer.write(b"b")
    end.writer.flush_now()
    assert end.read() == b"ab"
    end.writer.write(b"c")
    assert end.read_all(1) == b"c"
    assert end.sock.sends == 2


def test_write_all_reaches_every_writer_with_one_send_each() -> None:
    ends = [End() for _ in range(3)]
    ends[1].writer.write(b"before ")
    write_all([each.writer for each in ends], b"one ")
    write_all([each.writer for each in ends], b"two ")
    assert [each.read_all(8) for each in ends] == [b"one two ", b"before one two ", b"one two "]
    assert [each.sock.sends for each in ends] == [1, 1, 1]


def test_who_was_reached_is_flushed_when_the_writers_fail_midway(end: End) -> None:
    def failing() -> Iterator[Writer]:
        yield end.writer
        raise LookupError

    with pytest.raises(LookupError):
        write_all(failing(), b"hello")
    assert end.read_all(5) == b"hello"


def test_all_arrives_in_order_when_the_socket_takes_it_in_parts() -> None:
    end = End(limit=30_000_000, send_buffer=200_000)
    sent = b"".join(b"%07d," % number for number in range(2_500_000))
    for at in range(0, len(sent), 1_000_003):
        end.writer.write(sent[at : at + 1_000_003])
        end.writer.flush_now()
    assert end.read_all(len(sent)) == sent
    turn_until(lambda: not end.writer.backlog_bytes)
    end.writer.write(b"direct again")
    assert end.read_all(12) == b"direct again"


def test_droppable_is_left_out_only_when_the_backlog_is_over_half(end: End) -> None:
    written = end.fill()
    end.writer.write(b"kept", droppable=True)
    end.writer.write(b"x" * (LIMIT // 2))
    backlog = end.writer.backlog_bytes
    end.writer.write(b"left out", droppable=True)
    assert end.writer.backlog_bytes == backlog
    end.writer.write(b"last")
    assert end.read_all(written + LIMIT // 2 + 8)[written:] == b"kept" + b"x" * (LIMIT // 2) + b"last"
    assert end.overflows == 0


def test_overflow_is_told_once_and_later_when_the_backlog_passes_its_limit(end: End) -> None:
    end.fill()
    for _ in range(300):
        end.writer.write(b"x" * 1000)
    assert end.overflows == 0  # never inside a write
    turn_until(lambda: end.overflows)
    end.writer.write(b"x")
    turn()
    assert end.overflows == 1
    assert end.writer.backlog_bytes <= 1000  # what waited is freed; a frame that may be partly sent stays


@pytest.mark.parametrize("drained_before", [False, True])
def test_last_frame_still_goes_out_after_an_overflow(end: End, drained_before: bool) -> None:
    written = end.fill()
    end.writer.write(b"x" * (LIMIT + 1))
    got = end.read_all(written) if drained_before else b""
    turn_until(lambda: end.overflows)
    end.writer.write_last(b"bye")
    end.writer.write(b"never")
    assert got + end.read_all(written + 3 - len(got)) == b"f" * written + b"bye"
    end.writer.close_after_flush()
    turn_until(lambda: _is_at_fin(end))


def test_fin_follows_the_last_byte_when_closed(end: End) -> None:
    written = end.fill()
    end.writer.write(b"tail")
    end.writer.close_after_flush()
    end.writer.write(b"never")
    assert end.read_all(written + 4)[-4:] == b"tail"
    turn_until(lambda: _is_at_fin(end))


def test_write_last_is_sent_at_once_after_what_waits(end: End) -> None:
    end.writer.write(b"first ")
    end.writer.write_last(b"last")
    end.writer.write(b"never")
    end.writer.close_after_flush()
    assert end.read() == b"first last"
    assert _is_at_fin(end)


def _is_at_fin(end: End) -> bool:
    try:
        return end.client.recv(1) == b""
    except BlockingIOError:
        return False


@pytest.mark.parametrize("is_blocked", [False, True])
def test_broken_socket_is_told_once_and_not_inside_a_write(end: End, is_blocked: bool) -> None:
    if is_blocked:
        end.fill()
    end.client.close()
    end.writer.write(b"x")
    end.writer.flush_now()
    assert end.breaks == 0
    turn_until(lambda: end.breaks)
    end.writer.write(b"y")
    turn()
    assert end.breaks == 1


def test_one_broken_socket_does_not_keep_the_others_from_their_frames() -> None:
    ends = [End() for _ in range(3)]
    ends[0].client.close()
    write_all([each.writer for each in ends], b"hello")
    assert [each.read_all(5) for each in ends[1:]] == [b"hello"] * 2
    assert ends[0].breaks == 1


def test_nothing_is_told_or_sent_after_abort(end: End) -> None:
    end.fill()
    end.writer.write(b"x" * (LIMIT + 1))
    end.writer.abort()
    end.writer.write(b"y")
    turn()
    assert (end.overflows, end.breaks, end.writer.backlog_bytes) == (0, 0, 0)
