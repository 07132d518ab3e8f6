"""Private tables of kernel rooms and pieces: one SQLite file each, numbered migrations, walked by
backup and move.

Wiring: `tables = open_tables(data_folder)` once a process; each room or piece then calls
`tables.register(PrivateTables(...))` and gets its `TableFile`. Files: `rooms/NAME.db`,
`pieces/NAME.db`, `datasets/NAME.db`.
`city.db` is never opened here: one file, one SQLite library.
"""

from pintu.kernel.tables.file import TableFile
from pintu.kernel.tables.register import CityTables, PrivateTables, open_tables

__all__ = ["CityTables", "PrivateTables", "TableFile", "open_tables"]
