"""Mappings: how records of a source become words of the vocabulary or rows of a data set."""

from pintu.kernel.intake.mapping.doubts import Doubt
from pintu.kernel.intake.mapping.file import read_mapping, write_mapping
from pintu.kernel.intake.mapping.guess import Guess, guess_mapping, guess_table
from pintu.kernel.intake.mapping.guess_asking import Question_
from pintu.kernel.intake.mapping.mapper import Mapper, compile_mapping
from pintu.kernel.intake.mapping.paths import records_of
from pintu.kernel.intake.mapping.people import person_mark, person_marks

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
