"""What somebody typed into the pages that connect a source, read into data; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pintu.kernel.errors import BadRequestData, ConfigurationError
from pintu.kernel.intake.doors.words import Door, DoorSetting, SourceFile
from pintu.web.words import Words

Form = Mapping[str, Any]

LONGEST_TEXT = 20_000
NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")
MOST_FIELDS = 1_000


def name_of(wish: str, title: str, taken: Iterable[str]) -> str:
    """A name for files and addresses: the wish, or made of the title's Latin letters; free."""
    plain = NOT_IN_A_NAME.sub("_", (wish or title).strip().lower()).strip("_")[:50]
    plain = plain if plain[:1].isalpha() else f"source_{plain}".rstrip("_")
    found, number, others = plain, 1, set(taken)
    while found in others:
        number += 1
        found = f"{plain}_{number}"
    return found


def read_source(door: Door, form: Form, name: str, words: Words) -> tuple[SourceFile, str | None]:
    """A source that does not run yet, and its secret when one was typed (None: leave it).

    Raises ConfigurationError with every mistake of the form, in the visitor's words.
    """
    mistakes: list[str] = []
    settings: dict[str, Any] = {}
    secret: str | None = None
    for one in door.settings:
        typed = text(form, f"s.{one.name}")
        if one.kind == "secret":
            secret = typed or None
            continue
        value = _setting(one, typed, mistakes, words)
        if value is not None:
            settings[one.name] = value
    titles = {lang: text(form, f"title.{lang}").strip() for lang in ("zh", "en")}
    if not any(titles.values()):
        mistakes.append(words.text("Please give the source a name that people know it by"))
    every = words.text("How often it should be heard, in seconds (0: nobody knows)")
    interval_s = _number(every, text(form, "expected_interval_s") or "0", mistakes, words)
    if mistakes:
        raise ConfigurationError(mistakes)
    source = SourceFile(
        name=name,
        door=door.name,
        title={lang: said for lang, said in titles.items() if said},
        owner=text(form, "owner").strip()[:200],
        expected_interval_s=interval_s,
        enabled=False,
        settings=settings,
    )
    return source, secret


def _setting(one: DoorSetting, typed: str, mistakes: list[str], words: Words) -> Any:
    typed, called = typed.strip(), words.title(one.title) or one.name
    if one.kind == "yes_no":
        return typed in ("on", "true", "yes")
    if not typed:
        if one.required:
            mistakes.append(words.text("%(field)s is needed and empty") % {"field": called})
        return None
    if one.kind == "number":
        return _number(called, typed, mistakes, words)
    if one.kind == "choice" and typed not in one.choices:
        known = {"field": called, "choices": ", ".join(one.choices)}
        mistakes.append(words.text("%(field)s is none of %(choices)s") % known)
    if one.kind == "lines":
        return [line.strip() for line in typed.splitlines() if line.strip()]
    return typed


def _number(name: str, typed: str, mistakes: list[str], words: Words) -> float:
    told = {"field": name, "typed": typed[:40]}
    try:
        value = float(typed)
    except ValueError:
        mistakes.append(words.text("%(field)s: %(typed)s is not a number") % told)
        return 0.0
    if not abs(value) < 1e12:  # also what is no number at all
        mistakes.append(words.text("%(field)s: %(typed)s is far too large") % told)
        return 0.0
    return int(value) if value.is_integer() else value


def text(form: Form, name: str) -> str:
    """One field of a form as text; BadRequestData when it is far too long."""
    value = form.get(name, "")
    typed = value if isinstance(value, str) else ""
    if len(typed) > LONGEST_TEXT:
        raise BadRequestData(f"{name} is longer than {LONGEST_TEXT} characters")
    return typed


def codes_of(typed: str) -> dict[str, str]:
    """`休息 = closed`, one a line, as a table from the source's value to the word's."""
    found = {}
    for line in typed.splitlines()[:500]:
        left, sign, right = line.partition("=")
        if sign and left.strip():
            found[left.strip()] = right.strip()
    return found


def read_mapping_form(form: Form, name: str) -> dict[str, Any]:
    """The mapping as `config/mappings/NAME.toml` holds it; what is wrong with it says whoever
    reads it there."""
    target = "table" if text(form, "target") == "table" else "context"
    content: dict[str, Any] = {"name": name, "target": target}
    wanted = ("records", "observed_format", "frame", "zone")
    content |= {one: text(form, one).strip() for one in wanted if text(form, one).strip()}
    times = [one.strip() for one in text(form, "observed_at").split(",") if one.strip()]
    if times:
        content["observed_at"] = times[0] if len(times) == 1 else times
    if target == "context":
        content |= {"type": text(form, "type").strip(), "id": text(form, "id").strip()}
        content["mode"] = text(form, "mode") or "merge"
        content["gone"] = text(form, "gone") or "keep"
    else:
        content["data_set"] = text(form, "data_set").strip() or name
    count = min(int(text(form, "fields") or 0), MOST_FIELDS)
    fields = [_field(form, number) for number in range(count)]
    content["fields"] = [one for one in fields if one]
    return content


def _field(form: Form, number: int) -> dict[str, Any]:
    """One line of the mapping's table; empty when the column is not used."""
    to = text(form, f"f.{number}.to").strip()
    columns = [one.strip() for one in text(form, f"f.{number}.from").split("\t") if one.strip()]
    constant = text(form, f"f.{number}.constant").strip()
    if not to or not (columns or constant):
        return {}
    made: dict[str, Any] = {"to": to}
    if columns:
        made["from"] = columns[0] if len(columns) == 1 else columns
    for name in ("kind", "unit", "format", "person"):
        typed = text(form, f"f.{number}.{name}").strip()
        if typed:
            made[name] = typed
    if constant:
        made["constant"] = constant
    codes = codes_of(text(form, f"f.{number}.codes"))
    if codes:
        made["codes"] = codes
    titles = {lang: text(form, f"f.{number}.title.{lang}").strip() for lang in ("zh", "en")}
    if any(titles.values()):
        made["title"] = {lang: said for lang, said in titles.items() if said}
    for name in ("key", "required"):
        if text(form, f"f.{number}.{name}"):
            made[name] = True
    return made
