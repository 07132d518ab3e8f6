"""The questions of a guess, each with the answer put where the form keeps it; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pintu.kernel.intake.mapping.words import Mapping as MappingFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One answer: what is put into the form, and what people read."""

    value: str
    title: Mapping[str, str]
    chosen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question. `how` the answer gets into the form: `name` (the select is the field), `fill`
    (it becomes the value of the field `field`), `line` (it becomes the line `value = answer` of
    it), `again` (the page is guessed again with it), empty: nothing to choose."""

    text: Mapping[str, str]
    about: str
    column: str = ""
    how: str = ""
    field: str = ""
    value: str = ""
    choices: tuple[Choice, ...] = ()


def asked_of(questions: Sequence[Any], columns: Sequence[str], mapping: MappingFile) -> list[Asked]:
    """Every question of a guess about a table with these columns, in the guess's order."""
    return [_asked(one, columns, mapping) for one in questions]


def _asked(one: Any, columns: Sequence[str], mapping: MappingFile) -> Asked:
    how, field = _where(one, columns, mapping)
    return Asked(
        text={"zh": one.zh, "en": one.en},
        about=one.about,
        column=one.column if one.about == "frame" else "",
        how=how if one.choices else "",
        field=field,
        value=one.value if one.about == "code" else "",
        choices=_choices(one, mapping) if how else (),
    )


def _where(one: Any, columns: Sequence[str], mapping: MappingFile) -> tuple[str, str]:
    if one.about == "frame":
        return "name", "frame"
    if one.about == "type":
        return "again", "type"
    if one.about == "id":
        return "fill", "id"
    if one.column not in columns:
        return "", ""
    line = f"f.{columns.index(one.column)}"
    if one.about == "person":
        return "fill", f"{line}.person" if mapping.target == "table" else f"{line}.to"
    return {"unit": ("fill", f"{line}.unit"), "code": ("line", f"{line}.codes")}.get(
        one.about, ("", "")
    )


def _choices(one: Any, mapping: MappingFile) -> tuple[Choice, ...]:
    chosen = mapping.frame if one.about == "frame" else one.chosen
    found = [Choice(value=value, title=title, chosen=value == chosen) for value, title in
             one.choices]  # fmt: skip
    if one.about == "person" and mapping.target == "context":
        # a person's column is not used; a place's becomes the word that was guessed
        return tuple(
            Choice(value=one.value if not choice.value else "", title=choice.title,
                   chosen=choice.chosen)
            for choice in found
        )  # fmt: skip
    return tuple(found)
