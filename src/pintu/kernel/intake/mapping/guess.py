"""A mapping guessed from what a source shows, and questions where it may be otherwise. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from pintu.kernel.intake.doors.words import TableSeen
from pintu.kernel.intake.mapping.words import Mapping, Words


class Question_(msgspec.Struct, frozen=True, kw_only=True):
    """Something only a person can tell. `choices` are (value, {zh, en}); `chosen` is what the guess
    took. `about` is what the answer changes: a field's `to` or a setting of the mapping (`frame`,
    `type`, `id`, `person`, `unit`)."""

    about: str
    column: str
    zh: str
    en: str
    choices: list[tuple[str, dict[str, str]]] = []
    chosen: str = ""


class Guess(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping to begin with. `left` are columns nothing is made of; `sure` says by column how
    sure the guess is, 0 to 1."""

    mapping: Mapping
    questions: list[Question_] = []
    left: list[str] = []
    sure: dict[str, float] = {}
    extra: dict[str, Any] = {}


def guess_mapping(table: TableSeen, words: Words, *, name: str, type: str = "") -> Guess:
    """The most likely mapping of a table; into the context unless it says something of persons.
    `type`: a person chose it already."""
    return Guess(mapping=Mapping(name=name))
