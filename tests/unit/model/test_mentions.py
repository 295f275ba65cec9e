"""What in a text names a user."""

from __future__ import annotations

import pytest

from chat.model.mentions import mentions_key, named_in


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("nobody", []),
        ("@bob", ["bob"]),
        ("hi @bob, @cleo! and (@dan) @bob", ["bob", "cleo", "dan"]),
        ("ask @bob.", ["bob"]),
        ("@bob.smith-jones_2...", ["bob.smith-jones_2"]),
        ("me@example.org", []),
        ("a.@b c-@d e_@f", []),
        ("@@bob", []),
        ("@ bob @", []),
        ("@...", []),
        ("你好@bob", ["bob"]),  # where no spaces are written, a name begins behind any letter of theirs
        ("«@bob»\n@cleo", ["bob", "cleo"]),
        ("@" + "x" * 64, ["x" * 64]),
        ("@" + "x" * 65, []),
    ],
)
def test_a_name_follows_an_at_sign_that_begins_a_word(content: str, named: list[str]) -> None:
    assert named_in(content) == named


def test_a_thousand_numbers_share_a_document() -> None:
    assert mentions_key("r", 999) == "r:00000000"
    assert mentions_key("r", 1000) == "r:00000001"
