"""The database systems this door speaks to: their drivers, ports, and what an install needs."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, Literal

from pintu.kernel.errors import ConfigurationError

Family = Literal["postgresql", "mysql", "sqlite", "oracle", "mssql", "dameng"]


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One kind of database. `drivers` are tried in order; `install` brings the first."""

    name: str
    title: str
    family: Family
    dialect: str
    drivers: tuple[str, ...]
    install: str
    port: int = 0
    network: bool = True

    def driver(self) -> ModuleType:
        """The first driver that is installed; ConfigurationError says how to get one."""
        for name in self.drivers:
            try:
                return importlib.import_module(name)
            except ImportError:
                continue
        said = f"{self.title} needs the driver {' or '.join(self.drivers)}, which is not installed"
        raise ConfigurationError([f"{said}; bring it with: {self.install}"])


SYSTEMS: Final[dict[str, System]] = {
    one.name: one
    for one in (
        System(
            name="postgresql",
            title="PostgreSQL",
            family="postgresql",
            dialect="postgresql+psycopg",
            drivers=("psycopg",),
            install="pip install 'psycopg[binary]'",
            port=5432,
        ),
        System(
            name="mariadb",
            title="MariaDB",
            family="mysql",
            dialect="mariadb+pymysql",
            drivers=("pymysql",),
            install="pip install pymysql",
            port=3306,
        ),
        System(
            name="mysql",
            title="MySQL",
            family="mysql",
            dialect="mysql+pymysql",
            drivers=("pymysql",),
            install="pip install pymysql",
            port=3306,
        ),
        System(
            name="sqlite",
            title="SQLite",
            family="sqlite",
            dialect="sqlite",
            drivers=("sqlite3",),
            install="it comes with Python",
            network=False,
        ),
        System(
            name="oracle",
            title="Oracle",
            family="oracle",
            dialect="oracle+oracledb",
            drivers=("oracledb",),
            install="pip install oracledb",
            port=1521,
        ),
        System(
            name="mssql",
            title="SQL Server",
            family="mssql",
            dialect="mssql+pymssql",
            drivers=("pymssql",),
            install="pip install pymssql",
            port=1433,
        ),
        System(
            name="kingbase",
            title="KingbaseES",
            family="postgresql",
            dialect="postgresql+psycopg",
            drivers=("psycopg",),
            install="pip install 'psycopg[binary]'",
            port=54321,
        ),
        System(
            name="dameng",
            title="达梦 DM8",
            family="dameng",
            dialect="dm+dmPython",
            drivers=("dmPython",),
            install="pip install dmPython dmSQLAlchemy (from the folder drivers/python of DM8)",
            port=5236,
        ),
    )
}


def old_version(_connection: Any) -> tuple[int, ...]:
    """What KingbaseES counts as: its own version text is none that SQLAlchemy reads."""
    return (9, 6)
