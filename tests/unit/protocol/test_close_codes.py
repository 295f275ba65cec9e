from __future__ import annotations

import ast
from pathlib import Path

from chat.protocol.close_codes import CLOSE_CODES

GATEWAY = Path(__file__).parents[3] / "chat/gateway"
PAGE = 4096  # bytes: a limit


def test_every_close_code_of_the_gateway_is_told() -> None:
    numbers = {
        node.value
        for path in GATEWAY.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and type(node.value) is int and 4000 <= node.value < 4600
    }
    assert len(numbers) > 5
    assert numbers - {PAGE} <= {each.code for each in CLOSE_CODES}


def test_the_second_half_says_stay_away() -> None:
    assert [each.code for each in CLOSE_CODES if not each.is_retried] == [4500, 4501, 4502, 4503, 4504]
    assert [each.code for each in CLOSE_CODES] == sorted({each.code for each in CLOSE_CODES})
