"""Private tables of a piece: a file or a schema of its own, walked by backup and move."""

from pintu.kernel.tables import (
    CityTables,
    OpenTables,
    PrivateTables,
    add_rows,
    open_tables,
    put_rows,
    row_number,
)

__all__ = [
    "CityTables",
    "OpenTables",
    "PrivateTables",
    "add_rows",
    "open_tables",
    "put_rows",
    "row_number",
]
