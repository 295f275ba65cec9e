"""A plain WebSocket client for tests: what it was told is kept in order, and waiting has a deadline."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, TypeVar

import msgspec
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from chat.protocol import results, told

T = TypeVar("T")
_RESULTS = {str(command.__struct_config__.tag): result for command, result in results.RESULTS.items()}
_told = msgspec.json.Decoder(told.Event)
Data = dict[str, Any]


class Refused(Exception):
    """A request was answered with `ok: false`; `error` is the error of the answer."""

    def __init__(self, error: Data) -> None:
        super().__init__(error["code"], error["message"])
        self.error = error
        self.code: str = error["code"]
        self.field: str | None = error.get("field")


class ChatClient:
    """One connection. `events` holds every frame that came, as `{"event", "data"}`, in order.

    `token` goes into the Authorization header, or with `in_subprotocol` into the offered subprotocols.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        in_subprotocol: bool = False,
        subprotocols: Sequence[str] = (),
        origin: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        offered = ["chat.v1", f"bearer.{token}"] if token and in_subprotocol else list(subprotocols)
        identity = {"Authorization": f"Bearer {token}"} if token and not in_subprotocol else {}
        self._socket = connect(
            url,
            origin=None if origin is None else Origin(origin),
            subprotocols=[Subprotocol(each) for each in offered] or None,
            additional_headers={**identity, **(headers or {})},
            compression=None,
            proxy=None,
            ping_interval=None,
            close_timeout=2,
            max_size=None,
            legacy=True,
        )  # type: ignore[call-arg, unused-ignore]
        self.events: list[Data] = []
        self.sent: list[str] = []  # the temp ids of `shout_many`
        self.close_code: int | None = None  # set once the connection has ended
        self._counter = itertools.count(1)
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def subprotocol(self) -> str | None:
        """What the server chose of the offered ones."""
        return self._socket.subprotocol

    @property
    def user_id(self) -> str:
        """Who the server says this is."""
        return str(self.until(lambda: self.of("welcome"))[0]["userId"])

    def send(self, event: str, data: Data | None = None, ack: str | int | None = None) -> None:
        """Send a request and wait for nothing."""
        frame: Data = {"event": event, "data": data or {}}
        if ack is not None:
            frame["ack"] = ack
        self.send_raw(json.dumps(frame))

    def send_raw(self, message: str | bytes) -> None:
        """Send whatever this is, text as text and bytes as a binary message."""
        self._socket.send(message)

    def ask(self, event: str, data: Data | None = None, timeout_s: float = 10) -> Any:
        """Send a request and return the result of its ack; raises Refused."""
        ack = f"ack-{next(self._counter)}"
        start = len(self.events)
        self.send(event, data, ack)
        answer = self.until(lambda: self.answer(ack, start), timeout_s)
        if not answer["ok"]:
            raise Refused(answer["error"])
        msgspec.convert(answer["result"], _RESULTS[event])  # what the protocol's description does not know fails
        return answer["result"]

    def answer(self, ack: str | int, start: int = 0) -> Data | None:
        """Return the data of the ack, None while there is none."""
        told = (each["data"] for each in self.events[start:] if each["event"] == "ack")
        return next((data for data in told if data["ack"] == ack), None)

    def join(self, *room_ids: str, since: Data | None = None) -> Data:
        """Join rooms; return what the ack tells of the first one."""
        data: Data = {"roomIds": list(room_ids)} | ({"since": since} if since else {})
        told: Data = self.ask("join-chat-rooms", data)["rooms"]
        return told[room_ids[0]]

    def say(self, room_id: str, content: str, temp_id: str | None = None) -> Any:
        """Send a message and return the ack's result; raises Refused."""
        return self.ask("send-chat-message", _message(room_id, content, temp_id))

    def shout(self, room_id: str, content: str, temp_id: str | None = None) -> None:
        """Send a message without waiting for an answer."""
        self.send("send-chat-message", _message(room_id, content, temp_id))

    def shout_many(self, room_id: str, count: int) -> None:
        """Send so many messages, each under the next temp id of this client."""
        for number in range(len(self.sent), len(self.sent) + count):
            self.sent.append(f"t-{number}")
            self.shout(room_id, f"message {number}", f"t-{number}")

    def history(self, room_id: str, page: int = 200) -> list[Data]:
        """Return all messages of a room, read page by page from the newest back."""
        found: list[Data] = []
        asked: Data = {"roomId": room_id, "limit": page}
        while True:
            told = self.ask("get-messages", asked)
            found = told["messages"] + found
            if not told["has_more"]:
                return found
            asked["before"] = found[0]["seq"]

    def fates(self, room_id: str, *temp_ids: str) -> Data:
        """Return what became of these temp ids."""
        fates: Data = self.ask("get-send-fate", {"roomId": room_id, "temp_ids": list(temp_ids)})["fates"]
        return fates

    def of(self, event: str) -> list[Data]:
        """Return the data of all events of this name so far."""
        return [each["data"] for each in self.events if each["event"] == event]

    def shown(self, room_id: str | None = None) -> list[Data]:
        """Return the messages that were shown, as often as they were shown."""
        return [each for each in self.of("new-chat-message") if room_id in (None, each["room_id"])]

    def seqs(self, room_id: str | None = None) -> list[int]:
        """Return the numbers of the messages that were shown, in the order they came."""
        return [each["seq"] for each in self.shown(room_id)]

    def confirmed(self) -> Counter[str]:
        """Return how often each temp id was confirmed to this client as its sender."""
        return Counter(each["tempId"] for each in self.of("message-confirmed"))

    def confirmed_seqs(self) -> Counter[int]:
        """Return how often each number was confirmed to this client as a listener."""
        return Counter(seq for each in self.of("messages-confirmed") for seq in each["seqs"])

    def until(self, predicate: Callable[[], T | None], timeout_s: float = 10) -> T:
        """Return the first truthy value of `predicate()`; it is asked again whenever something came.

        Raises: AssertionError with the last events when that takes too long, or when the connection ends first.
        """
        with self._news:
            found = self._news.wait_for(lambda: predicate() or self.close_code is not None, timeout_s)
        value = predicate()
        if not value:
            how = f"closed with {self.close_code}" if found else f"not true within {timeout_s} s"
            raise AssertionError(f"{how}; the last events were {self.events[-5:]}")
        return value

    def stays(self, predicate: Callable[[], object], for_s: float) -> bool:
        """Tell whether `predicate()` and the connection last for so long; it is asked whenever something came."""
        with self._news:
            return not self._news.wait_for(lambda: not predicate() or self.close_code is not None, for_s)

    def until_closed(self, timeout_s: float = 10) -> int:
        """Return the code with which the connection ended."""
        with self._news:
            if not self._news.wait_for(lambda: self.close_code is not None, timeout_s):
                raise AssertionError(f"not closed within {timeout_s} s; last {self.events[-3:]}")
        assert self.close_code is not None
        return self.close_code

    def close(self) -> None:
        """Say goodbye."""
        self._socket.close()
        self._reader.join(5)

    def drop(self) -> None:
        """Vanish without a word."""
        self._socket.socket.close()

    def __enter__(self) -> ChatClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> None:
        code = 1006
        try:
            while True:
                text = self._socket.recv()
                _told.decode(text)  # a frame that the protocol's description does not know fails the test
                event = json.loads(text)
                with self._news:
                    self.events.append(event)
                    self._news.notify_all()
        except ConnectionClosed as exc:
            code = exc.rcvd.code if exc.rcvd is not None else 1006
        finally:
            with self._news, suppress(RuntimeError):
                self.close_code = code
                self._news.notify_all()


def _message(room_id: str, content: str, temp_id: str | None) -> Data:
    return {"roomId": room_id, "content": content} | ({"temp_id": temp_id} if temp_id else {})
