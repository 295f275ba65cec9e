"""What a check of the store found, one line each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One line; a fault's begins with the setting to mend and ends with the mend."""

    text: str
    is_fault: bool = False
