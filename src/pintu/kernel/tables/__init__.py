"""Private tables of kernel rooms and pieces: one SQLite file or one PostgreSQL schema each,
numbered migrations, walked by backup and move.

Wiring: `tables = open_tables(data_folder, settings.store)` once a process; each room or piece then
calls `tables.register(PrivateTables(...))` and gets its `OpenTables`. Files: `rooms/NAME.db`,
`pieces/NAME.db`, `datasets/NAME.db`; schemas: `CITY_rooms_NAME` and so on.
`city.db` is never opened here: one file, one SQLite library.
"""

from pintu.kernel.tables.door import OpenTables, Place, keepable, row_number
from pintu.kernel.tables.file import TableFile
from pintu.kernel.tables.register import CityTables, PrivateTables, open_tables
from pintu.kernel.tables.upsert import add_rows, put_rows

__all__ = [
    "CityTables",
    "OpenTables",
    "Place",
    "PrivateTables",
    "TableFile",
    "add_rows",
    "keepable",
    "open_tables",
    "put_rows",
    "row_number",
]
