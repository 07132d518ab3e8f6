"""Reading a TOML table field by field, gathering every mistake instead of stopping at the first."""

from __future__ import annotations

import re
from typing import Any

from pintu.kernel.errors import ConfigurationError

LANGUAGES = ("zh", "en")


class Section:
    """One table of a manifest. What is read is crossed off; what is left over at `close` is a
    mistake."""

    def __init__(self, told: Any, where: str, mistakes: list[str] | None = None) -> None:
        self.where = where
        self.mistakes: list[str] = [] if mistakes is None else mistakes
        if not isinstance(told, dict):
            self.mistakes.append(f"{where} is not a table")
            told = {}
        self.told: dict[str, Any] = told
        self.left = set(told)

    def mistake(self, name: str, what: str) -> None:
        """Note that a field is wrong; `what` completes the sentence."""
        self.mistakes.append(f"{self.where}: {name} {what}")

    def anything(self, name: str) -> Any:
        """The value as it is, or None."""
        self.left.discard(name)
        return self.told.get(name)

    def text(
        self, name: str, pattern: re.Pattern[str] | None = None, default: str | None = None
    ) -> str:
        """A text; required unless there is a default."""
        value = self.anything(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value.strip():
            self.mistake(name, "is missing" if value is None else "is not a text")
            return ""
        if pattern is not None and not pattern.fullmatch(value):
            self.mistake(name, f"is {value!r}, which does not look like {pattern.pattern}")
        return value

    def titles(self, name: str) -> dict[str, str]:
        """A text in every language: `{zh = "…", en = "…"}`."""
        value = self.anything(name)
        if not isinstance(value, dict):
            self.mistake(name, 'is missing; write { zh = "…", en = "…" }')
            return dict.fromkeys(LANGUAGES, "")
        for language in LANGUAGES:
            if not isinstance(value.get(language), str) or not value[language].strip():
                self.mistake(name, f"has no text in {language!r}")
        if set(value) - set(LANGUAGES):
            self.mistake(name, f"has languages nobody shows: {sorted(set(value) - set(LANGUAGES))}")
        return {one: str(value.get(one, "")) for one in LANGUAGES}

    def words(self, name: str, pattern: re.Pattern[str] | None = None) -> tuple[str, ...]:
        """A list of texts, each once; none when absent."""
        value = self.anything(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self.mistake(name, "is not a list of texts")
            return ()
        for one in value:
            if pattern is not None and not pattern.fullmatch(one):
                self.mistake(name, f"holds {one!r}, which does not look like {pattern.pattern}")
        self.no_twins(name, value)
        return tuple(value)

    def choice(self, name: str, among: tuple[str, ...]) -> str:
        """One of a few words; required."""
        value = self.text(name)
        if value and value not in among:
            self.mistake(name, f"is {value!r}; it is one of {', '.join(among)}")
        return value

    def choices(self, name: str, among: tuple[str, ...]) -> tuple[str, ...]:
        """Some of a few words."""
        values = self.words(name)
        for one in values:
            if one not in among:
                self.mistake(name, f"holds {one!r}; known are {', '.join(among)}")
        return values

    def number(self, name: str, default: float, *, low: float, high: float) -> float:
        """A number between two, both included."""
        value = self.anything(name)
        if value is None:
            return default
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not low <= value <= high
        ):
            self.mistake(name, f"is {value!r}, not a number between {low:g} and {high:g}")
            return default
        return float(value)

    def yes_no(self, name: str) -> bool:
        """True or false; false when absent."""
        value = self.anything(name)
        if value is not None and not isinstance(value, bool):
            self.mistake(name, f"is {value!r}, neither true nor false")
        return value is True

    def table(self, name: str) -> dict[str, Any]:
        """A table as it is; empty when absent."""
        value = self.anything(name)
        if value is not None and not isinstance(value, dict):
            self.mistake(name, "is not a table")
        return value if isinstance(value, dict) else {}

    def section(self, name: str) -> Section:
        """A table inside of this one, its mistakes gathered with ours."""
        return Section(self.anything(name) or {}, f"{self.where}: {name}", self.mistakes)

    def sections(self, name: str) -> list[Section]:
        """A list of tables (`[[name]]`)."""
        value = self.anything(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.mistake(name, f"is not a list of tables; write [[{name}]]")
            return []
        return [
            Section(one, f"{self.where}: {name}[{number}]", self.mistakes)
            for number, one in enumerate(value)
        ]

    def no_twins(self, name: str, values: list[str]) -> None:
        """Note what is said twice."""
        twins = sorted({one for one in values if one and values.count(one) > 1})
        if twins:
            self.mistake(name, f"says twice: {', '.join(twins)}")

    def close(self) -> None:
        """Note every field nobody asked for: a typing error more often than not."""
        for name in sorted(self.left):
            self.mistake(name, "is not a field that is read here")
        self.left.clear()

    def done(self) -> None:
        """Close, and raise ConfigurationError when anything was wrong."""
        self.close()
        if self.mistakes:
            raise ConfigurationError(self.mistakes)
