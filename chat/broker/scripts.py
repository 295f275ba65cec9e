"""Loads the Lua files beside this module; the file's name is the script's name."""

from __future__ import annotations

from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import NamedTuple


class Script(NamedTuple):
    """A Lua script and the digest Redis knows it by."""

    name: str
    source: bytes
    digest: bytes


@cache
def load(name: str) -> Script:
    """Return the script `lua/<name>.lua`; raises FileNotFoundError for a name that is not there."""
    source = files("chat.broker").joinpath("lua", f"{name}.lua").read_bytes()
    return Script(name, source, sha1(source, usedforsecurity=False).hexdigest().encode())
