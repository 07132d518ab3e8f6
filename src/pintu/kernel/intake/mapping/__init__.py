"""Mappings: how records of a source become words of the vocabulary or rows of a data set."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.intake.mapping.doubts import Doubt
from pintu.kernel.intake.mapping.file import read_mapping, write_mapping
from pintu.kernel.intake.mapping.mapper import Mapper, compile_mapping
from pintu.kernel.intake.mapping.paths import records_of
from pintu.kernel.intake.mapping.people import person_mark, person_marks

if TYPE_CHECKING:
    from pintu.kernel.intake.mapping.guess import Guess, guess_mapping, guess_table
    from pintu.kernel.intake.mapping.guess_asking import Question_

__all__ = [
    "Doubt",
    "Guess",
    "Mapper",
    "Question_",
    "compile_mapping",
    "guess_mapping",
    "guess_table",
    "person_mark",
    "person_marks",
    "read_mapping",
    "records_of",
    "write_mapping",
]

_GUESSING: Final = {
    "Guess": "guess",
    "Question_": "guess_asking",
    "guess_mapping": "guess",
    "guess_table": "guess",
}
"""Only pages guess: a process that loads saves the rules."""


def __getattr__(name: str) -> Any:
    if name in _GUESSING:
        return getattr(importlib.import_module(f"{__name__}.{_GUESSING[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
