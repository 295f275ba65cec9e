"""Which connections of this process are in which room, and up to where each room was served; no network."""

from chat.hub.hub import Applied, Hub
from chat.hub.room import Listener, Room
from chat.hub.statuses import Statuses
from chat.hub.typing import Typist, Typists
from chat.hub.unconfirmed import Unconfirmed, Waiting

__all__ = ["Applied", "Hub", "Listener", "Room", "Statuses", "Typist", "Typists", "Unconfirmed", "Waiting"]
