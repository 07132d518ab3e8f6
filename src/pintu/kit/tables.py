"""Private tables of a piece: one database file of its own, walked by backup and move."""

from pintu.kernel.tables import CityTables, PrivateTables, TableFile, open_tables

__all__ = ["CityTables", "PrivateTables", "TableFile", "open_tables"]
