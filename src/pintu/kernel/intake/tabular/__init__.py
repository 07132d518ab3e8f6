"""Files of tables, read as records with their line numbers and bounded in memory; no network."""

from pintu.kernel.intake.tabular.open import file_kind, list_tables, open_table
from pintu.kernel.intake.tabular.words import (
    Options,
    Place,
    Portion,
    TableReader,
    said_of,
    unique,
)

__all__ = [
    "Options",
    "Place",
    "Portion",
    "TableReader",
    "file_kind",
    "list_tables",
    "open_table",
    "said_of",
    "unique",
]
