"""Typed reading of environment variables; a value that can't be used is named together with its mend."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

SHOWN_VALUE_LENGTH = 40  # enough to recognise a value, too short to fill a terminal
WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")


class SettingError(Exception):
    """A setting that can't be used: its `name`, the `fault` of its value and the `mend`, in one line."""

    def __init__(self, name: str, fault: str, mend: str) -> None:
        super().__init__(name, fault, mend)
        self.name = name
        self.fault = fault
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.name} {self.fault}; {self.mend}"


def shown(value: str) -> str:
    """Return `value` as it may appear in a line: quoted, without control characters, cut when long."""
    cut = value if len(value) <= SHOWN_VALUE_LENGTH else value[:SHOWN_VALUE_LENGTH] + "..."
    return ascii(cut)


class Env:
    """The variables of one environment; an empty one counts as unset."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def raw(self, name: str) -> str | None:
        """Return the value untouched (for secrets), None when unset."""
        return self._environ.get(name) or None

    def optional(self, name: str) -> str | None:
        """Return the value without surrounding blanks, None when unset."""
        return self._environ.get(name, "").strip() or None

    def text(self, name: str, default: str) -> str:
        """Return the value without surrounding blanks."""
        return self.optional(name) or default

    def listing(self, name: str) -> tuple[str, ...]:
        """Return the items of a comma list, without blanks and empty items."""
        return tuple(item for part in self.text(name, "").split(",") if (item := part.strip()))

    def choice(self, name: str, default: str, options: Sequence[str]) -> str:
        """Return the option that the value names, in any case of letters."""
        value = self.text(name, default)
        for option in options:
            if option.lower() == value.lower():
                return option
        raise SettingError(name, f"is {shown(value)}, which is not known", f"set {' or '.join(options)}")

    def whole(self, name: str, default: int, least: int = 0, most: int = 1_000_000_000) -> int:
        """Return a whole number from `least` to `most`."""
        value = self.text(name, str(default))
        mend = f"set a whole number from {least} to {most}"
        if not WHOLE_NUMBER.fullmatch(value):
            raise SettingError(name, f"is {shown(value)}, which is no whole number", mend)
        # a number this long is out of range, and Python refuses to read thousands of digits
        number = int(value) if len(value) <= SHOWN_VALUE_LENGTH else most + 1
        if not least <= number <= most:
            raise SettingError(name, f"is {shown(value)}, which is out of range", mend)
        return number

    def number(self, name: str, default: float, least: float, most: float) -> float:
        """Return a number from `least` to `most`, with or without a decimal point."""
        value = self.text(name, str(default))
        mend = f"set a number from {least:g} to {most:g}"
        try:
            number = float(value)
        except ValueError:
            raise SettingError(name, f"is {shown(value)}, which is no number", mend) from None
        if math.isnan(number) or not least <= number <= most:
            raise SettingError(name, f"is {shown(value)}, which is out of range", mend)
        return number
