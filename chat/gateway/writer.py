"""Frames for a client become as few sends as can be: what one turn of the loop writes to one socket is one
send.

Before this step: `hub.py` or a session made the bytes of a frame. After it: the kernel has them, or they
wait here within a bound, or the client was too slow and its connection is told so.

A `send` costs about 2 µs however it is called, so joining is the only way below that. The first write of a
turn puts the writer on a list for the whole process; at the end of the turn every writer on it sends once.
Only the thread of the hub may use this module. The owner is told of an overflow or a broken socket in a
later callback, never inside a write, so a loop over a room's writers is never disturbed.
"""

from __future__ import annotations

from _socket import SHUT_WR, socket
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Protocol

from gevent import get_hub

WRITE = 2  # libev's EV_WRITE
DRAIN_BYTES = 256 * 1024  # joined for one send of a backlog: larger gains nothing, smaller costs sends
DRAINS_PER_TURN = 4  # so that one fast reader with a long backlog can't hold the loop


class WriterOwner(Protocol):
    """Who is told, once each, what became of a writer."""

    def writer_overflowed(self) -> None:
        """Hear that the backlog passed its limit; later writes are dropped."""

    def writer_broke(self) -> None:
        """Hear that the socket takes nothing any more."""


class Writer:
    """The only thing that writes a socket.

    `pending` says in one read how the next write is to be taken: None (first of this turn), bytes or a list
    (more of this turn), a backlog (the socket is full), or a sink (closed). Only this module looks at it.
    """

    __slots__ = ("_backlog_limit_bytes", "_owner", "_socket", "pending")

    def __init__(self, sock: socket, owner: WriterOwner, backlog_limit_bytes: int) -> None:
        self.pending: bytes | list[bytes] | _Backlog | _Sink | None = None
        self._socket = sock
        self._owner: WriterOwner | None = owner
        self._backlog_limit_bytes = backlog_limit_bytes

    @property
    def backlog_bytes(self) -> int:
        """How much the socket has refused so far and still has to take."""
        pending = self.pending
        return pending.size if isinstance(pending, _Backlog) else 0

    def write(self, data: bytes, droppable: bool = False) -> None:
        """Send whole frames at the end of this turn; never blocks.

        `droppable` data (typing, presence) is left out while the backlog is over half its limit. Any other
        data that would pass the limit is not taken, and the owner hears of the overflow.
        """
        pending = self.pending
        if pending is None:
            self.pending = data
            _dirty.append(self)
            if len(_dirty) == 1:
                _schedule_flush()
        elif type(pending) is bytes:
            self.pending = [pending, data]
        elif type(pending) is list:
            pending.append(data)
        elif type(pending) is _Backlog and pending.is_accepting:
            self._write_behind(pending, data, droppable)

    def write_last(self, data: bytes) -> None:
        """Send whole frames whatever the backlog; every later write is dropped."""
        self.flush_now()
        pending = self.pending
        if pending is None:
            self._send(data)
            pending = self.pending
        elif type(pending) is _Backlog and not pending.is_last:
            pending.push(data)
            self._watch(pending)  # an overflowed backlog may have drained meanwhile
        if type(pending) is _Backlog:
            pending.is_accepting, pending.is_last = False, True
        else:
            self.pending = _SINK

    def flush_now(self) -> None:
        """Send what this turn has written so far, without waiting for the turn's end."""
        pending = self.pending
        if type(pending) is bytes:
            self._send(pending)
        elif type(pending) is list:
            self._send(b"".join(pending))

    def close_after_flush(self) -> None:
        """Take nothing more, and send FIN when the last byte is out. The owner keeps the deadline and the
        socket.
        """
        self.flush_now()
        pending = self.pending
        if type(pending) is _Backlog:
            pending.is_accepting, pending.is_fin_due = False, True
            self._watch(pending)
        else:
            self.pending = _SINK
            self._send_fin()

    def abort(self) -> None:
        """Drop everything and let go of the owner; the socket is the owner's to close."""
        if type(self.pending) is _Backlog:
            self.pending.stop()
        self.pending = _SINK
        self._owner = None

    def _send(self, data: bytes) -> None:
        self.pending = None
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._break()
            return
        if sent != len(data):
            self._begin_backlog(data, sent)

    def _begin_backlog(self, data: bytes, sent: int) -> None:
        backlog = _Backlog(memoryview(data)[sent:])
        self.pending = backlog
        self._watch(backlog)
        if backlog.size > self._backlog_limit_bytes:
            self._overflow(backlog)

    def _watch(self, backlog: _Backlog) -> None:
        if backlog.watcher is None:
            backlog.watcher = get_hub().loop.io(self._socket.fileno(), WRITE)
            backlog.watcher.start(self._drain)

    def _write_behind(self, backlog: _Backlog, data: bytes, droppable: bool) -> None:
        if droppable and backlog.size * 2 > self._backlog_limit_bytes:
            return
        if backlog.size + len(data) > self._backlog_limit_bytes:
            if not droppable:
                self._overflow(backlog)
            return
        backlog.push(data)

    def _overflow(self, backlog: _Backlog) -> None:
        backlog.drop_queue()
        backlog.is_accepting = False
        get_hub().loop.run_callback(self._report_overflow)

    def _report_overflow(self) -> None:
        if self._owner is not None:
            self._owner.writer_overflowed()

    def _break(self) -> None:
        if type(self.pending) is _Backlog:
            self.pending.stop()
        self.pending = _SINK
        get_hub().loop.run_callback(self._report_broken)

    def _report_broken(self) -> None:
        if self._owner is not None:
            self._owner.writer_broke()

    def _drain(self) -> None:
        backlog = self.pending
        if type(backlog) is not _Backlog:
            return
        for _ in range(DRAINS_PER_TURN):
            head = backlog.next()
            if not head:
                self._end_backlog(backlog)
                return
            try:
                sent = self._socket.send(head)
            except BlockingIOError:
                return
            except OSError:
                self._break()
                return
            backlog.taken(sent)
            if sent != len(head):
                return

    def _end_backlog(self, backlog: _Backlog) -> None:
        backlog.stop()
        if backlog.is_accepting:
            self.pending = None
        elif backlog.is_last or backlog.is_fin_due:
            self.pending = _SINK
        if backlog.is_fin_due:
            self._send_fin()

    def _send_fin(self) -> None:
        with suppress(OSError):  # the peer may have reset it: the owner's reader hears of that
            self._socket.shutdown(SHUT_WR)


class _Backlog:
    """What a full socket still has to take, in order; each byte is copied at most once, by a join."""

    __slots__ = ("chunks", "head", "is_accepting", "is_fin_due", "is_last", "size", "watcher")

    def __init__(self, head: memoryview) -> None:
        self.head = head  # its frame is partly sent: it must go out whole
        self.chunks: deque[bytes] = deque()
        self.size = len(head)
        self.is_accepting = True
        self.is_last = False
        self.is_fin_due = False
        self.watcher: Any = None

    def push(self, data: bytes) -> None:
        self.chunks.append(data)
        self.size += len(data)

    def next(self) -> memoryview:
        """Return the bytes to send next; empty when all are out."""
        if not self.head and self.chunks:
            joined = [self.chunks.popleft()]
            room = DRAIN_BYTES - len(joined[0])
            while self.chunks and len(self.chunks[0]) <= room:
                room -= len(self.chunks[0])
                joined.append(self.chunks.popleft())
            self.head = memoryview(joined[0] if len(joined) == 1 else b"".join(joined))
        return self.head

    def taken(self, sent: int) -> None:
        self.head = self.head[sent:]
        self.size -= sent

    def drop_queue(self) -> None:
        self.chunks.clear()
        self.size = len(self.head)

    def stop(self) -> None:
        if self.watcher is not None:
            self.watcher.stop()
            self.watcher.close()
            self.watcher = None


class _Sink:
    """Stands in `pending` once a writer is closed: whatever is written is dropped."""

    __slots__ = ()


_SINK = _Sink()
_dirty: list[Writer] = []  # every writer with something to send this turn; one loop, so one list


def write_all(writers: Iterable[Writer], data: bytes, droppable: bool = False) -> None:
    """Write the same whole frames to many clients; the bytes are shared, not copied."""
    dirty = _dirty
    is_scheduled = bool(dirty)
    add = dirty.append
    try:
        for writer in writers:
            if writer.pending is None:
                writer.pending = data
                add(writer)
            else:
                writer.write(data, droppable)
    finally:  # whatever the iterable does, who is on the list must be flushed
        if dirty and not is_scheduled:
            _schedule_flush()


def flush_dirty() -> None:
    """Send, once for each writer, all that this turn has written."""
    writers = _dirty.copy()
    _dirty.clear()
    for writer in writers:
        data = writer.pending
        if type(data) is list:
            data = b"".join(data)
        elif type(data) is not bytes:
            continue  # flushed, blocked or closed since it was put on the list
        writer.pending = None
        try:
            sent = writer._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            writer._break()
            continue
        if sent != len(data):
            writer._begin_backlog(data, sent)


def _schedule_flush() -> None:
    get_hub().loop.run_callback(flush_dirty)
