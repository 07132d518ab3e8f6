"""The database door: a department's own tables, read and never written, as records."""

from __future__ import annotations

from pintu.kernel.intake.doors.database.looking import look
from pintu.kernel.intake.doors.database.reading import DatabaseReader, make_reader
from pintu.kernel.intake.doors.database.settings import SETTINGS
from pintu.kernel.intake.doors.words import Door

DOOR = Door(
    name="database",
    kind="load",
    title={"zh": "数据库", "en": "Database"},
    summary={
        "zh": "只读接入部门自己的数据库：PostgreSQL、MariaDB、MySQL、SQLite、Oracle、SQL Server、"
        "人大金仓、达梦。先整表读入，再按时间、按主键或按复制流增量。",
        "en": "A department's own database, read only: PostgreSQL, MariaDB, MySQL, SQLite, Oracle,"
        " SQL Server, KingbaseES, DM8. First every row, then what changed: by time, key or"
        " replication.",
    },
    settings=SETTINGS,
    look=look,
)

__all__ = ["DOOR", "DatabaseReader", "make_reader"]
