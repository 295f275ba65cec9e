"""After a run here whatever was due for one provider is delivered, dropped, waits for its next try, or is given up.

Before: looks made jobs, and readings took some back. A job is claimed, what it says is loaded, it is pushed by one
of several threads, and finished as soon as the provider has answered: a killed worker repeats only what was under
way.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor, wait
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from chat.broker.base import DrainLeasing
from chat.errors import BrokerUnavailable, StoreError
from chat.model.clock import now_ms, rfc3339
from chat.model.device import Device, DeviceKind
from chat.model.push import Circuit, Claimed, LastResult, Outcome, Tripped
from chat.push.base import Delivered, Gone, Later, Paused, Provider, Refused, Result
from chat.services.push_loading import Ready, Unwanted
from chat.services.push_retry import RetryPolicy, is_outage, may_have_arrived

RUN_S = 20.0  # then another run goes on; a push takes up to 15 more
HOLD_EVERY_S = 1.0  # of the lease, which lives 5
PAUSE_S = 300.0  # so long a provider that wants an operator is left alone
STORE_PAUSE_S = 5.0  # before jobs that could not be read are claimed again
SOON_S = 5.0  # what is due within that time is woken for; a worker sees the rest by itself
log = logging.getLogger(__name__)


class Jobs(Protocol):
    """Jobs as they are claimed and finished."""

    def claim(self, kind: DeviceKind, limit: int) -> list[Claimed]: ...

    def finish(self, claimed: Claimed, outcome: Outcome, *, wait_s: float = 0, reason: str = "") -> str: ...

    def next_due(self, kind: DeviceKind) -> float | None: ...


class Circuits(Protocol):
    """Whether providers are asked."""

    def all(self, names: Collection[str]) -> dict[str, Circuit]: ...

    def failed(self, name: str, reason: str) -> Tripped: ...

    def pause(self, name: str, reason: str, for_s: float) -> Tripped: ...

    def mended(self, name: str) -> bool: ...


class Load(Protocol):
    """Reads what jobs say."""

    def load(self, claimed: Sequence[Claimed], now: int) -> list[Ready | Unwanted]: ...


@dataclass(frozen=True, slots=True)
class Places:
    """Where a run leaves what it learns: devices that are gone, last results, and figures."""

    drop: Callable[[Device], None]
    write_results: Callable[[Mapping[str, LastResult]], None]
    count: Callable[[dict[str, int]], None]


class Sending:
    """One run for one provider. `batch` jobs are claimed at once, a few for each thread of the executor."""

    def __init__(
        self,
        kind: DeviceKind,
        provider: Provider,
        jobs: Jobs,
        loading: Load,
        circuits: Circuits,
        places: Places,
        lease: DrainLeasing,
        executor: Executor,
        *,
        policy: RetryPolicy,
        batch: int,
        now: Callable[[], int] = now_ms,
        run_s: float = RUN_S,
    ) -> None:
        self._kind = kind
        self._provider = provider
        self._jobs = jobs
        self._loading = loading
        self._circuits = circuits
        self._places = places
        self._lease = lease
        self._executor = executor
        self._policy = policy
        self._batch = batch
        self._now = now
        self._run_s = run_s
        self._lock = threading.Lock()
        self._open_until_ms: dict[str, int] = {}  # by circuit
        self._probed: set[str] = set()  # circuits that a push of this round finds out about
        self._suspects: set[str] = set()  # circuits with failures: the next good answer has to be told
        self._counts: Counter[str] = Counter()
        self._results: dict[str, LastResult] = {}

    def run(self) -> float | None:
        """Push until nothing is due; return in how many seconds another run is to follow, None for none.

        Raises: BrokerUnavailable, StoreError; claimed jobs are then taken over when their lease ends.
        """
        ends_at = time.monotonic() + self._run_s
        self._lease.take()
        while time.monotonic() < ends_at:
            if not self._lease.hold():
                return None  # another run has taken over
            if self._is_stopped():
                return self._leave()
            if self._round():
                continue
            self._lease.release()
            if self._is_stopped() or not self._round():  # whoever noted one meanwhile sent no wake-up
                return self._soon()
            self._lease.take()
        return 0.0

    def _round(self) -> bool:
        """Push some jobs; return whether any was due."""
        limit = 1 if self._is_probing(self._kind) else self._batch
        self._probed.clear()
        claimed = self._jobs.claim(self._kind, limit)
        if not claimed:
            return False
        try:
            loaded = self._load(claimed)
            self._look_at({circuit_of(each.device) for each in loaded if isinstance(each, Ready)})
            self._push_all(loaded)
        finally:
            self._tell()
        return True

    def _load(self, claimed: Sequence[Claimed]) -> list[Ready | Unwanted]:
        try:
            return self._loading.load(claimed, self._now())
        except StoreError:
            for each in claimed:  # the store's outage is no try of theirs
                self._finish(each, Outcome.UNUSED, "push_paused", wait_s=STORE_PAUSE_S)
            raise

    def _look_at(self, names: Collection[str]) -> None:
        """Read how circuits stand."""
        for name, circuit in self._circuits.all(names).items() if names else ():
            self._open_until_ms[name] = circuit.open_until_ms
            if circuit.open_until_ms or circuit.failures:
                self._suspects.add(name)

    def _is_stopped(self) -> bool:
        """Tell whether the whole provider is left alone."""
        self._look_at([self._kind])
        return self._is_open(self._kind)

    def _is_open(self, name: str) -> bool:
        return self._now() < self._open_until_ms.get(name, 0)

    def _is_probing(self, name: str) -> bool:
        return 0 < self._open_until_ms.get(name, 0) <= self._now()

    def _may_ask(self, name: str) -> bool:
        """Tell whether a push may go through a circuit: one alone finds out whether all is well again."""
        with self._lock:
            if self._is_open(name) or name in self._probed:
                return False
            if self._is_probing(name):
                self._probed.add(name)
            return True

    def _leave(self) -> float | None:
        self._lease.release()
        left_s = (self._open_until_ms[self._kind] - self._now()) / 1000
        return left_s if left_s <= SOON_S else None

    def _soon(self) -> float | None:
        due_s = self._jobs.next_due(self._kind)
        if due_s is None or due_s > SOON_S or self._is_open(self._kind):
            return None
        return max(due_s, 0.1)

    def _push_all(self, loaded: Sequence[Ready | Unwanted]) -> None:
        ready = [each for each in loaded if isinstance(each, Ready)]
        under_way = {self._executor.submit(self._push, each) for each in ready}
        for each in loaded:
            if isinstance(each, Unwanted):
                self._finish(each.claimed, Outcome.DROPPED, "push_skipped")
        failed: BaseException | None = None
        while under_way:
            done, under_way = wait(under_way, timeout=HOLD_EVERY_S)
            failed = next((fault for each in done if (fault := each.exception())), failed)
            if under_way:
                self._lease.hold()
        if failed is not None:
            raise failed

    def _push(self, ready: Ready) -> None:
        """Push one and settle what became of it; runs in a thread."""
        if not self._may_ask(circuit_of(ready.device)):  # perhaps it opened while this one waited for its turn
            self._wait_for_circuit(ready)
            return
        try:
            result = self._provider.push(ready.device, ready.notice)
        except Exception as exc:  # a fault of the adapter must not take the others' turn
            log.exception("push-provider-broken", extra={"kind": self._kind, "action": "try again later"})
            result = Later(f"fault {type(exc).__name__}")
        self._settle(ready, result)

    def _settle(self, ready: Ready, result: Result) -> None:
        claimed, circuit = ready.claimed, circuit_of(ready.device)
        match result:
            case Delivered():
                self._answered(circuit)
                outcome, name = (
                    (Outcome.CLEARED, "push_cleared") if claimed.is_clear else (Outcome.SHOWN, "push_delivered")
                )
                self._finish(claimed, outcome, name)
                self._note(ready.device, "delivered", None)
            case Gone(reason):
                self._answered(circuit)
                self._drop(ready.device)
                self._finish(claimed, Outcome.GONE, "push_gone")
                self._note(ready.device, "gone", reason)
            case Refused(reason):
                self._answered(circuit)
                self._give_up(claimed, "push_refused", reason)
                self._note(ready.device, "refused", reason)
            case Paused(reason):
                tripped = self._circuits.pause(circuit, reason, PAUSE_S)
                self._opened(circuit, tripped, reason, "mend its settings")
                self._wait_for_circuit(ready)
                self._note(ready.device, "paused", reason)
            case Later(reason):
                self._later(ready, result)
                self._note(ready.device, "later", reason)

    def _later(self, ready: Ready, later: Later) -> None:
        claimed, circuit = ready.claimed, circuit_of(ready.device)
        if is_outage(later):
            self._suspects.add(circuit)
            tripped = self._circuits.failed(circuit, later.reason)
            self._opened(circuit, tripped, later.reason, "ask again in a while")
        else:
            self._answered(circuit)
        wait_s = self._policy.wait_s(claimed, later, self._now())
        if wait_s is None:
            self._give_up(claimed, "push_given_up", later.reason)
        else:
            outcome = Outcome.UNSURE if may_have_arrived(later) else Outcome.LATER
            self._finish(claimed, outcome, "push_retried", wait_s=wait_s)

    def _give_up(self, claimed: Claimed, name: str, reason: str) -> None:
        """Keep a dead letter of a message; a clearing that failed is not worth one."""
        self._finish(claimed, Outcome.DROPPED if claimed.is_clear else Outcome.DEAD, name, reason=reason)
        where = {"kind": self._kind, "device": claimed.target.device_id, "tries": claimed.tries}
        log.warning("push-given-up", extra={**where, "reason": reason, "action": "dead letter"})

    def _answered(self, name: str) -> None:
        """Close a circuit when the provider answers after failures."""
        if name in self._suspects:
            self._suspects.discard(name)
            if self._circuits.mended(name) and self._open_until_ms.get(name):
                self._open_until_ms[name] = 0
                log.info("push-provider-answers", extra={"provider": name})

    def _opened(self, name: str, tripped: Tripped, reason: str, mend: str) -> None:
        if tripped.status == "closed":
            return
        self._open_until_ms[name] = max(self._open_until_ms.get(name, 0), tripped.until_ms)
        if tripped.status == "opened":
            with self._lock:
                self._counts["push_circuits_opened"] += 1
            log.error("push-provider-stopped", extra={"provider": name, "reason": reason, "action": mend})

    def _wait_for_circuit(self, ready: Ready) -> None:
        left_ms = self._open_until_ms.get(circuit_of(ready.device), 0) - self._now()
        self._finish(ready.claimed, Outcome.UNUSED, "push_paused", wait_s=max(left_ms / 1000, 0))

    def _drop(self, device: Device) -> None:
        try:
            self._places.drop(device)
        except StoreError as exc:
            extra = {"device": device.id, "error": str(exc), "action": "its next push finds it again"}
            log.warning("device-not-dropped", extra=extra)

    def _finish(
        self, claimed: Claimed, outcome: Outcome, name: str, *, wait_s: float = 0, reason: str = ""
    ) -> None:
        status = self._jobs.finish(claimed, outcome, wait_s=wait_s, reason=reason)
        with self._lock:
            self._counts[name] += 1
            if status == "lost":
                self._counts["push_repeated"] += 1

    def _note(self, device: Device, result: str, reason: str | None) -> None:
        with self._lock:
            self._results[device.id] = LastResult(rfc3339(self._now()), result, reason)

    def _tell(self) -> None:
        """Write down results and figures; they are worth no retry."""
        with self._lock:
            counts, self._counts = dict(self._counts), Counter()
            results, self._results = self._results, {}
        try:
            if results:
                self._places.write_results(results)
            if counts:
                self._places.count(counts)
        except BrokerUnavailable as exc:
            log.warning("push-results-not-kept", extra={"error": str(exc), "action": "go on"})


def circuit_of(device: Device) -> str:
    """Return the name of the circuit that a device's pushes go through.

    Web Push has one for each service: users name them, and a service that nobody reaches must not stop the others.
    """
    if device.kind is not DeviceKind.WEBPUSH:
        return device.kind
    return f"{device.kind}@{urlsplit(device.address).hostname or ''}"
