"""Languages of the screens: which one a visitor gets, and numbers, times and ages said in it."""

from __future__ import annotations

import gettext
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from pintu.kernel.clock import iso

LOCALE = Path(__file__).parent / "locale"
LANGUAGES = {"zh-CN": "zh_CN", "en": "en"}
"""What a browser calls a language, and the folder of its catalogue."""

COOKIE = "pintu_lang"


def mark(text: str) -> str:
    """Names a text for the catalogue; it is translated where it is shown."""
    return text


VALUES = {
    # sources
    "connecting": mark("connecting"),
    "unknown": mark("unknown"),
    "silent": mark("silent"),
    "up": mark("up"),
    "down": mark("down"),
    # commands
    "held": mark("waits for a second person"),
    "desired": mark("desired"),
    "sent": mark("sent"),
    "acknowledged": mark("acknowledged"),
    "confirmed": mark("confirmed"),
    "failed": mark("failed"),
    "timed_out": mark("timed out"),
    "cancelled": mark("cancelled"),
    # alerts
    "critical": mark("critical"),
    "high": mark("high"),
    "medium": mark("medium"),
    "low": mark("low"),
    "informational": mark("informational"),
    "sourceSilent": mark("Source silent"),
    # connected sources, their columns and their runs
    "draft": mark("being connected"),
    "stopped": mark("stopped"),
    "text": mark("text"),
    "number": mark("number"),
    "whole": mark("whole number"),
    "yes_no": mark("yes or no"),
    "time": mark("time"),
    "date": mark("date"),
    "code": mark("value of a list"),
    "point": mark("place"),
    "shape": mark("line or area"),
    "empty": mark("empty"),
    "mixed": mark("mixed"),
    "name": mark("a person's name"),
    "id_number": mark("identity number"),
    "phone": mark("a person's telephone"),
    "address": mark("a person's address"),
    "birth": mark("date of birth"),
    "account": mark("account"),
    "health": mark("health"),
    "running": mark("running"),
    "waiting": mark("waiting"),
    "done": mark("done"),
    "paused": mark("paused"),
    "new": mark("new"),
    "changed": mark("changed"),
    "same": mark("same"),
    # words of a town
    "proposed": mark("proposed"),
    "adopted": mark("adopted"),
    "retired": mark("retired"),
    # pieces
    "sketch": mark("sketch"),
    "usable": mark("usable"),
    "reference": mark("reference"),
}
"""What people call the words of the city's own tables."""


@cache
def catalogue(lang: str) -> gettext.NullTranslations:
    """The catalogue of a language: compiled by the install, else read from its .po as it is."""
    source = LOCALE / LANGUAGES[lang] / "LC_MESSAGES" / "pintu.po"
    compiled = source.with_suffix(".mo")
    if compiled.exists() and compiled.stat().st_mtime >= source.stat().st_mtime:
        return gettext.GNUTranslations(io.BytesIO(compiled.read_bytes()))
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    buffer = io.BytesIO()
    with source.open("rb") as file:
        write_mo(buffer, read_po(file, locale=LANGUAGES[lang]))
    buffer.seek(0)
    return gettext.GNUTranslations(buffer)


def choose_language(asked: str | None, cookie: str | None, accepted: str, default: str) -> str:
    """`?lang`, then the cookie, then Accept-Language, then the city's own."""
    for wish in (asked, cookie):
        found = _known(wish or "")
        if found:
            return found
    weighted = []
    for order, part in enumerate(accepted[:500].split(",")):
        name, _, weight = part.partition(";q=")
        try:
            weighted.append((-float(weight or 1), order, name))
        except ValueError:
            continue
    for weight_below, _, name in sorted(weighted):
        found = _known(name)
        if found and weight_below < 0:
            return found
    return _known(default) or "zh-CN"


def _known(wish: str) -> str | None:
    word = wish.strip().lower().replace("_", "-")
    if word in ("zh", "zh-cn", "zh-hans", "zh-hans-cn", "zh-sg"):
        return "zh-CN"
    return "en" if word == "en" or word.startswith("en-") else None


@dataclass(frozen=True, slots=True)
class Words:
    """One visitor's language: texts, numbers, times and ages."""

    lang: str
    tz: str = "Asia/Shanghai"
    now_us: int = 0
    asked: bool = False  # by ?lang: to be remembered
    _catalogue: gettext.NullTranslations = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_catalogue", catalogue(self.lang))

    def text(self, message: str) -> str:
        """The message in this language."""
        return self._catalogue.gettext(message) if message else ""

    def plural(self, one: str, many: str, count: int) -> str:
        """One of two messages by a count."""
        return self._catalogue.ngettext(one, many, count)

    def pick(self, said: Mapping[str, str] | str) -> str:
        """One language of a text that came in several; any of them before none."""
        if isinstance(said, str):
            return said
        for lang in (self.lang, self.lang[:2], "en", "@none"):
            if said.get(lang):
                return said[lang]
        return next(iter(said.values()), "")

    def title(self, said: Mapping[str, str] | str) -> str:
        """A title: of the catalogue when it is a text, of a manifest when it came in languages."""
        return self.text(said) if isinstance(said, str) else self.pick(said)

    def number(self, value: object, digits: int = 2) -> str:
        """A number with thousands separated; not more digits than it has; others as they are."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return str(value)
        if isinstance(value, int):
            return f"{value:,}"
        return f"{round(value, digits):,}".removesuffix(".0")

    def large(self, value: int) -> str:
        """A count for a headline: 万 and 亿 in Chinese from ten thousand on."""
        if self.lang == "zh-CN":
            for size, sign in ((100_000_000, "亿"), (10_000, "万")):
                if value >= size:
                    return f"{value / size:.2f}".rstrip("0").rstrip(".") + " " + sign
        return f"{value:,}"

    def bytes(self, value: int) -> str:
        """A size in bytes with a binary unit."""
        size = float(value)
        for unit in ("B", "KiB", "MiB", "GiB"):
            if size < 1024 or unit == "GiB":
                return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
            size /= 1024
        return f"{size:.1f}"

    def time(self, at_us: int) -> str:
        """Local date and 24-hour time; a dash for never."""
        if not at_us:
            return "–"
        local = datetime.fromtimestamp(at_us / 1e6, UTC).astimezone(ZoneInfo(self.tz))
        return local.strftime("%Y-%m-%d %H:%M:%S")

    def age(self, at_us: int) -> str:
        """How long ago, in one unit; a dash for never."""
        if not at_us:
            return "–"
        seconds = (self.now_us - at_us) / 1e6
        if seconds < -1:
            return self.text("in the future")
        steps = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
        for size, unit in steps:
            if seconds >= size:
                return self._ago(int(seconds // size), unit)
        return self.text("just now")

    def _ago(self, count: int, unit: str) -> str:
        form = {
            "d": self.plural("%(n)d day ago", "%(n)d days ago", count),
            "h": self.plural("%(n)d hour ago", "%(n)d hours ago", count),
            "min": self.plural("%(n)d minute ago", "%(n)d minutes ago", count),
            "s": self.plural("%(n)d second ago", "%(n)d seconds ago", count),
        }
        return form[unit] % {"n": count}

    def iso(self, at_us: int) -> str:
        """The machine's form of a time; empty for never."""
        return iso(at_us) if at_us else ""

    def value(self, word: str) -> str:
        """A word of the city's own tables (a state, a severity) as people say it."""
        return self.text(VALUES.get(word, word))

    def figure(self, name: str, value: object) -> str:
        """A figure of the system page, in the unit its name ends in."""
        if isinstance(value, dict):
            return ", ".join(f"{key} {self.figure(str(key), one)}" for key, one in value.items())
        if isinstance(value, list | tuple | set):
            apart = "; " if any(isinstance(one, dict) for one in value) else ", "
            return apart.join(self.figure("", one) for one in value) or "–"
        if isinstance(value, int | float) and not isinstance(value, bool):
            for end, size in (("_us", 1e6), ("_ms", 1e3), ("_seconds", 1.0), ("_s", 1.0)):
                if name.endswith(end):
                    return self.span(value / size)
            if name.endswith("bytes"):
                return self.bytes(int(value))
        return self.number(value)

    def span(self, seconds: float) -> str:
        """A length of time, short: ms, s, min, h or d."""
        if seconds < 1:
            return f"{seconds * 1000:.0f} ms"
        if seconds < 120:
            return f"{seconds:.1f} s"
        if seconds < 7200:
            return f"{seconds / 60:.0f} min"
        return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.1f} d"
