"""A client that believes what it is told: it applies events, resumes with `since`, reads history where it must."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Message = dict[str, Any]


class SimulatedClient:
    """One user's view of one room; `position` is where its events end, `view` has the messages by id."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.position: tuple[str, int] | None = None
        self.view: dict[str, Message] = {}

    def joined(self, answer: Message, read_history: Callable[[], Iterable[Message]]) -> None:
        """Take the answer to a join; what was replayed was told before it."""
        self.position = answer["epoch"], answer["offset"]
        if not answer["recovered"]:
            self.view = {each["id"]: each for each in read_history()}

    def settled(self, fates: Message) -> None:
        """Take the answer to `get-send-fate` for the own messages that are still temporary."""
        for each in self.own_temporary():
            fate = fates[each["temp_id"]]
            is_it = fate.get("id") == each["id"]
            if is_it and fate["state"] == "confirmed":
                each["_temp"] = False
            elif not is_it or fate["state"] in ("failed", "unknown"):
                del self.view[each["id"]]

    def own_temporary(self) -> list[Message]:
        """Return the own messages whose end was not told."""
        return [each for each in self.view.values() if each["_temp"] and each["sender_id"] == self.user_id]

    def told(self, events: Iterable[Message]) -> None:
        """Apply events in the order they came."""
        for each in events:
            data = each["data"]
            getattr(self, f"_{each['event'].replace('-', '_')}", lambda _data: None)(data)
            if "offset" in data and self.position is not None:
                self.position = self.position[0], data["offset"]

    def shown(self) -> list[tuple[int, str, str, bool, dict[str, Any], bool]]:
        """Return the view as history would have it."""
        return [as_seen(each) for each in sorted(self.view.values(), key=lambda each: int(each["seq"]))]

    def _new_chat_message(self, data: Message) -> None:
        known = self.view.get(data["id"])
        if known is not None and not known["_temp"]:
            return
        # A number is given again when Redis lost the message that had it: that one will never be stored.
        for other in [each["id"] for each in self.view.values() if each["seq"] == data["seq"]]:
            del self.view[other]
        self.view[data["id"]] = dict(data)

    def _message_confirmed(self, data: Message) -> None:
        if data["realId"] in self.view:
            self.view[data["realId"]]["_temp"] = False

    def _messages_confirmed(self, data: Message) -> None:
        for each in self.view.values():
            if each["seq"] in data["seqs"]:
                each["_temp"] = False

    def _message_failed(self, data: Message) -> None:
        for each in self.own_temporary():
            if each["temp_id"] == data["tempId"]:
                del self.view[each["id"]]

    def _message_retracted(self, data: Message) -> None:
        self.view.pop(data["messageId"], None)

    def _message_updated(self, data: Message) -> None:
        known = self.view.get(data["messageId"])
        if known is not None and known.get("revision", 0) <= data["message"].get("revision", 0):
            self.view[data["messageId"]] = dict(data["message"])

    def _message_deleted(self, data: Message) -> None:
        known = self.view.get(data["messageId"])
        if known is not None:
            known |= {"deleted_at": data["deletedAt"], "content": "", "reactions": {}, "_temp": False}

    def _message_reaction(self, data: Message) -> None:
        known = self.view.get(data["messageId"])
        if known is not None and not known.get("deleted_at"):
            known |= {"reactions": data["reactions"], "_temp": False}


def as_seen(message: Message) -> tuple[int, str, str, bool, dict[str, Any], bool]:
    """Return what a person sees of a message."""
    is_deleted = bool(message.get("deleted_at"))
    return (
        message["seq"],
        message["id"],
        message["content"],
        is_deleted,
        message.get("reactions") or {},
        message["_temp"],
    )
