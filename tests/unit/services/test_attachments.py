from __future__ import annotations

import json
from typing import Any

import pytest

from chat.errors import InvalidRequest
from chat.services.attachments import check_attachments

PICTURE = {
    "url": "https://files.example/cat.png?v=2",
    "name": "cat.png",
    "type": "image/png",
    "size": 48_213,
    "width": 640,
    "height": 480,
    "thumbnail_url": "https://files.example/cat-small.png",
}


@pytest.mark.parametrize(
    "attachment",
    [
        PICTURE,
        {"id": "file-17"},
        {"url": "http://[::1]:8080/x"},
        {"id": "v", "type": "video/mp4", "duration": 12.5},
        {"id": "v", "duration": 12},
        {"id": "a", "of the app": {"own": [1, 2]}},
    ],
)
def test_attachment_is_taken_when_it_says_where_the_file_is(attachment: dict[str, Any]) -> None:
    before = json.dumps(attachment)
    check_attachments([attachment])
    assert json.dumps(attachment) == before  # what the app says of it passes as it is


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"url": "javascript:alert(1)"}, "attachments[1].url"),
        ({"url": "data:text/html,x"}, "attachments[1].url"),
        ({"url": "file:///etc/passwd"}, "attachments[1].url"),
        ({"url": "/relative"}, "attachments[1].url"),
        ({"url": "https://"}, "attachments[1].url"),
        ({"url": "https://[half"}, "attachments[1].url"),
        ({"url": "https://a b"}, "attachments[1].url"),
        ({"url": "https://a\nb"}, "attachments[1].url"),
        ({"url": ""}, "attachments[1].url"),
        ({"url": "https://x/" + "y" * 2048}, "attachments[1].url"),
        ({"url": 7}, "attachments[1].url"),
        ({"thumbnail_url": "javascript:alert(1)"}, "attachments[1].thumbnail_url"),
        ({"size": -1}, "attachments[1].size"),
        ({"size": "48 kB"}, "attachments[1].size"),
        ({"size": True}, "attachments[1].size"),
        ({"width": 0}, "attachments[1].width"),
        ({"height": 1.5}, "attachments[1].height"),
        ({"duration": -0.1}, "attachments[1].duration"),
        ({"type": "picture"}, "attachments[1].type"),
        ({"type": "image/png\n"}, "attachments[1].type"),
        ({"name": ""}, "attachments[1].name"),
        ({"name": "x" * 256}, "attachments[1].name"),
        ({"id": ""}, "attachments[1].id"),
        ({"url": None, "id": None}, "attachments[1] "),
    ],
)
def test_it_is_refused_with_its_place_when_a_member_is_wrong(changed: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        check_attachments([PICTURE, PICTURE | changed])
    assert raised.value.field == "attachments"
    assert raised.value.message.startswith(where)
