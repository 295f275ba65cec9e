"""What members of frames and of bodies may hold, and the names a member comes under."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Annotated, Any, Generic, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType

from chat.errors import InvalidRequest
from chat.model.ids import ID_PATTERN

Id = Annotated[str, Meta(pattern=rf"\A{ID_PATTERN}\Z")]
Ack = str | int | None
Maybe = UnsetType
PAGE_LIMIT = 200  # messages in one answer to get-messages
PageSize = Annotated[int, Meta(ge=1, le=PAGE_LIMIT)]
SeqBound = Annotated[int, Meta(ge=0, le=2**53)]
PRESENCE_LIMIT = 200  # users in one get-presence
ID_MEND = "must be 1 to 64 characters of A-Z a-z 0-9 _ . -"

T = TypeVar("T")


class Either(Generic[T]):
    """A member that has to be there, under any one of these names; errors speak of the first.

    The description of the events is made from it too.
    """

    __slots__ = ("_read", "names")

    def __init__(self, *names: str) -> None:
        self.names = names
        self._read: Callable[[Any], tuple[Any, ...]] = attrgetter(*names)

    def __get__(self, data: Any, owner: type) -> T:
        for value in self._read(data):
            if value is not UNSET:
                found: T = value
                return found
        raise InvalidRequest(f"{self.names[0]} is missing; add it to data", field=self.names[0])


class Position(Struct, frozen=True, gc=False):
    """Up to where a client has seen a room's events."""

    epoch: Annotated[str, Meta(max_length=64)]
    offset: Annotated[int, Meta(ge=0, le=2**53)]
