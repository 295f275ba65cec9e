"""After a publication passed here, the hub has it in order, and whatever pub/sub lost was read from the log.

Before: a script published. After: the hub fans out. One connection per process, owned by one greenlet. It is
given up when nothing comes for `SILENCE_S` (this process publishes to itself every `PULSE_S`, so silence means a
dead or half-open link), made again, subscribed again, and then each room's missed events are read from its log.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore
from gevent.timeout import Timeout

from chat.broker import keys
from chat.broker.wire import Wire, pack
from chat.errors import BrokerUnavailable

PULSE_S = 2.0
SILENCE_S = 6.0
SUBSCRIBE_TIMEOUT_S = 2.0
SUBSCRIBE_CHUNK = 1000  # channels in one command
SLICE_S = 0.001  # of a turn of the loop: a batch confirmed at once comes as some fifty publications, 30 us each
RECONNECT_PAUSES_S = (0.0, 0.05, 0.2, 0.5, 1.0)
log = logging.getLogger(__name__)

OnMessage = Callable[[bytes], None]


class Relay:
    """The one subscriber of a server process.

    Who wants to know is named before the start: each of `on_lost` is called when the connection ends, each of
    `on_again` with a channel that is subscribed once more after that, each of `on_turn` after a batch of messages.
    """

    def __init__(self, wire: Wire, publish: Callable[[str, bytes], Any], node_id: str) -> None:
        self._wire = wire
        self._publish = publish
        self._pulse_channel = keys.node_channel(node_id)
        self.on_lost: tuple[Callable[[], None], ...] = ()
        self.on_again: tuple[Callable[[str], None], ...] = ()
        self.on_turn: tuple[Callable[[], None], ...] = ()
        self._handlers: dict[bytes, OnMessage] = {self._pulse_channel.encode(): lambda _: None}
        self._confirmed: dict[bytes, Event] = {}
        self._known: set[bytes] = set()  # channels that were subscribed once, on whatever connection
        self._write_lock = BoundedSemaphore(1)
        self._greenlets: list[Any] = []
        self._heard_at = 0.0  # monotonic; of whatever came last
        self.is_connected = False
        self.reconnects = -1  # the first connection is none

    def start(self) -> None:
        """Connect, and stay connected."""
        self._greenlets = [gevent.spawn(self._run), gevent.spawn(self._pulse)]

    def stop(self) -> None:
        """Drop the connection and stay away."""
        gevent.killall(self._greenlets)
        self._wire.close()

    def listen(self, channel: str, handler: OnMessage, timeout_s: float = SUBSCRIBE_TIMEOUT_S) -> None:
        """Hand the channel's messages to `handler` from the return on.

        Raises: BrokerUnavailable when it is not confirmed in time; it is subscribed as soon as that is possible.
        """
        name = channel.encode()
        self._handlers[name] = handler
        confirmed = self._confirmed.get(name)
        if confirmed is None:
            confirmed = self._confirmed[name] = Event()
            self._command(b"SUBSCRIBE", [name])
        if not confirmed.wait(timeout_s):
            raise BrokerUnavailable("subscribe")

    def heard_until(self, channel: str) -> float:
        """Return until when (monotonic) all that is published there comes here, or its loss was noticed."""
        confirmed = self._confirmed.get(channel.encode())
        return self._heard_at + SILENCE_S if confirmed is not None and confirmed.is_set() else 0.0

    def forget(self, channels: Iterable[str]) -> None:
        """Stop hearing channels."""
        names = [channel.encode() for channel in channels]
        for name in names:
            self._handlers.pop(name, None)
            self._confirmed.pop(name, None)
            self._known.discard(name)
        self._command(b"UNSUBSCRIBE", names)

    def _run(self) -> None:
        failures = 0
        while True:
            gevent.sleep(RECONNECT_PAUSES_S[min(failures, len(RECONNECT_PAUSES_S) - 1)])
            try:
                self._connect()
                failures = 0
                while True:
                    self._wire.receive()
                    self._note_heard()
                    self._take_all()
            except OSError as exc:
                failures += 1
                self._lose(exc)

    def _note_heard(self) -> None:
        """Note that something came; a process that stood still does not go on with what is old by now."""
        now = time.monotonic()
        if now - self._heard_at > SILENCE_S:
            raise ConnectionError(f"nothing was read for {SILENCE_S:.0f} s")
        self._heard_at = now

    def _connect(self) -> None:
        self._wire.open()
        self._heard_at = time.monotonic()
        self._wire.set_timeout(SILENCE_S)
        names = list(self._handlers)
        for name in names:
            self._confirmed.setdefault(name, Event())
        self.is_connected = True
        self.reconnects += 1
        for start in range(0, len(names), SUBSCRIBE_CHUNK):
            self._command(b"SUBSCRIBE", names[start : start + SUBSCRIBE_CHUNK])

    def _lose(self, exc: OSError) -> None:
        if self.is_connected:
            log.warning("relay-connection-lost", extra={"error": str(exc) or type(exc).__name__})
        self.is_connected = False
        self._wire.close()
        for confirmed in self._confirmed.values():
            confirmed.clear()
        for tell in self.on_lost:
            tell()

    def _take_all(self) -> None:
        """Handle what one read brought, and let others run every now and then: many small ones may have come."""
        next_reply, clock = self._wire.next_reply, time.perf_counter
        handlers = self._handlers
        until = clock() + SLICE_S
        while (reply := next_reply()) is not False:
            if reply[0] == b"message":
                handler = handlers.get(reply[1])
                if handler is not None:
                    self._handle(handler, reply[2])
            elif reply[0] == b"subscribe":
                self._take_confirmation(reply[1])
            if clock() > until:
                self._end_turn()
                until = clock() + SLICE_S
        self._end_turn()

    def _end_turn(self) -> None:
        for act in self.on_turn:
            act()
        gevent.sleep(0)

    def _handle(self, handler: OnMessage, payload: bytes) -> None:
        try:
            handler(payload)
        except Exception:
            # One message that can't be handled must not end the reader of all of them.
            log.exception("publication-not-handled", extra={"action": "go on"})

    def _take_confirmation(self, name: bytes) -> None:
        confirmed = self._confirmed.get(name)
        if confirmed is not None:
            confirmed.set()
        if name in self._known:
            for tell in self.on_again:
                tell(name.decode())
        elif name in self._handlers:
            self._known.add(name)

    def _command(self, verb: bytes, names: list[bytes]) -> None:
        if not names or not self.is_connected:
            return  # connecting subscribes to everything there is then
        try:
            with self._write_lock:
                self._wire.send(pack((verb, *names)))
        except OSError as exc:
            log.warning("relay-write-failed", extra={"error": str(exc)})  # the reader notices too

    def _pulse(self) -> None:
        while True:
            gevent.sleep(PULSE_S)
            with Timeout(PULSE_S, False):
                try:
                    self._publish(self._pulse_channel, b"")
                except BrokerUnavailable as exc:
                    log.debug("pulse-failed", extra={"error": str(exc)})
