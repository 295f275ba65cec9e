"""A page of the replies to a message, for members of its room: the same over a socket and over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chat.gateway.dispatcher import page_result
from chat.gateway.session import Session
from chat.protocol import commands
from chat.services.amending import ref_of
from chat.services.membership import Membership
from chat.services.stored_messages import StoredMessages
from chat.services.threads import Threads


@dataclass(frozen=True, slots=True)
class ThreadPages:
    """Answers members."""

    membership: Membership
    messages: StoredMessages
    threads: Threads

    def get_replies(self, session: Session, command: commands.GetReplies) -> dict[str, Any]:
        """Take `get-replies`."""
        data = command.data
        after = data.after if isinstance(data.after, int) else 0
        return self.page(session.user_id, data.message, data.limit, after, is_guest=session.identity.is_guest)

    def page(
        self, user_id: str, message_id: str, limit: int, after: int, *, is_guest: bool = False
    ) -> dict[str, Any]:
        """Return the oldest replies after a number.

        Raises: InvalidRequest, NotAMember, MessageNotFound, NotStoredYet, StoreUnavailable.
        """
        ref = ref_of(message_id)
        self.membership.require(ref.room_id, user_id, is_guest=is_guest)
        self.messages.find(ref)
        page = self.threads.page(ref, limit, after)
        self.membership.require(ref.room_id, user_id, is_guest=is_guest)  # removed while it was read: nothing more
        return page_result(page)
