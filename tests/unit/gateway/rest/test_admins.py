"""What operators alone may do is refused to everybody else."""

from __future__ import annotations

import pytest
from flask import Flask, g

from chat.errors import Forbidden, Unauthenticated
from chat.gateway.identity import Identity
from chat.gateway.rest.admins import require_admin


@pytest.mark.parametrize(("identity", "refusal"), [(None, Unauthenticated), (Identity("ann", "ann"), Forbidden)])
def test_others_are_refused_and_told_what_it_takes(identity, refusal):
    with Flask(__name__).test_request_context():
        g.identity = identity
        with pytest.raises(refusal, match="re-driving needs a token"):
            require_admin("re-driving")


def test_an_admin_is_let_through():
    with Flask(__name__).test_request_context():
        g.identity = Identity("root", "root", is_admin=True)
        assert require_admin("re-driving") == g.identity
