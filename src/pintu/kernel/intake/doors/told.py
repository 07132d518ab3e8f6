"""What a source's file tells its door, read setting by setting; every mistake is told at once."""

from __future__ import annotations

import re
from typing import Any, Final

from pintu.kernel.errors import ConfigurationError
from pintu.kernel.intake.doors.words import DoorSetting, SourceFile

MOST_LINES: Final = 2_000
LONGEST_LINE: Final = 1_000
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")

INSTANCE: Final = "$instance"
"""Set by whoever runs a source, never typed: tells two cities apart that have a source of one name
(a lasting session is kept by its client's name)."""


class Told:
    """The settings of one source; what nobody told is what the door's own words say."""

    def __init__(self, source: SourceFile, settings: tuple[DoorSetting, ...]) -> None:
        self.mistakes: list[str] = []
        self._name, self._told = source.name, source.settings
        self._defaults = {one.name: one.default for one in settings}
        for name in sorted(set(source.settings) - set(self._defaults) - {INSTANCE}):
            known = ", ".join(sorted(self._defaults))
            self.mistake(name, f"is not a setting of door {source.door}; settings are: {known}")
        for one in settings:
            if one.required and source.settings.get(one.name) in (None, "", []):
                self.mistake(one.name, "is needed and empty")

    def mistake(self, name: str, what: str) -> None:
        """Note that a setting is wrong; `what` completes the sentence."""
        self.mistakes.append(f"Source {self._name}: {name} {what}")

    def text(self, name: str) -> str:
        """A text, without blanks around it."""
        value = self._value(name)
        if not isinstance(value, str) or len(value) > 20_000:
            self.mistake(name, "is not a text of at most 20,000 characters")
            return ""
        return value.strip()

    def choice(self, name: str, among: tuple[str, ...]) -> str:
        """One of a few words."""
        value = str(self._value(name)).strip()
        if value not in among:
            self.mistake(name, f"is {value[:40]!r}; it is one of {', '.join(among)}")
            return among[0]
        return value

    def number(self, name: str, *, low: float, high: float) -> float:
        """A number between two, both included."""
        value = self._value(name)
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                value = None
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not good or not low <= value <= high:
            self.mistake(name, f"is not a number between {low:g} and {high:g}")
            return low
        return float(value)

    def yes_no(self, name: str) -> bool:
        """True or false."""
        value = self._value(name)
        if not isinstance(value, bool):
            self.mistake(name, "is neither true nor false")
        return value is True

    def lines(self, name: str) -> list[str]:
        """A list of texts, or one text with a line each; blank lines and `#` remarks are none."""
        value = self._value(name)
        if isinstance(value, str):
            value = value.splitlines()
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self.mistake(name, "is not a list of lines")
            return []
        found = [one.strip() for one in value]
        found = [one for one in found if one and not one.startswith("#")]
        if len(found) > MOST_LINES or any(len(one) > LONGEST_LINE for one in found):
            self.mistake(name, f"has more than {MOST_LINES} lines, or one over {LONGEST_LINE}")
            return []
        return found

    def host_port(self, name: str, port: int) -> tuple[str, int]:
        """`HOST` or `HOST:PORT`, with the port used when none is told."""
        value = self.text(name)
        host, separator, number = value.rpartition(":")
        if not separator or value.endswith("]") or (host.count(":") and host[0] != "["):
            host, number = value, str(port)
        host = host.strip("[]")
        if not _HOST.fullmatch(host) or not number.isdigit() or not 0 < int(number) < 65_536:
            self.mistake(name, f"is {value[:80]!r}, not HOST or HOST:PORT")
            return "", port
        return host, int(number)

    def done(self) -> None:
        """Raise ConfigurationError when anything was wrong."""
        if self.mistakes:
            raise ConfigurationError(self.mistakes)

    def _value(self, name: str) -> Any:
        value = self._told.get(name)
        return self._defaults[name] if value is None else value
