"""A token in the address is refused, whatever it is called there."""

from __future__ import annotations

import pytest

from chat.errors import Unauthenticated
from chat.gateway.identity.credentials import TOKEN_PARAMETERS, refuse_token_in_address


@pytest.mark.parametrize("name", [*sorted(TOKEN_PARAMETERS), "Token", "ACCESS_TOKEN"])
def test_an_address_is_refused_when_it_has_a_token(name):
    with pytest.raises(Unauthenticated) as caught:
        refuse_token_in_address({"room": "r", name: "SECRET"})
    assert caught.value.field == name.lower()
    assert "SECRET" not in caught.value.message


@pytest.mark.parametrize("parameters", [(), ("ticket",), ("tokens", "before"), ("",)])
def test_an_address_is_taken_when_it_has_no_token(parameters):
    refuse_token_in_address(parameters)
    with pytest.raises(Unauthenticated):  # one more name, and it is another address
        refuse_token_in_address((*parameters, "token"))
