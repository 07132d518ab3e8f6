"""What computes an expression: DuckDB here, in its own process, or a Spark cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from pintu.kernel.analytics.engines.samples import Table
from pintu.kernel.analytics.engines.words import DUCKDB, Limits, check_engine
from pintu.kernel.errors import ConfigurationError, TooComplex, Unavailable

SHARE: Final = 0.6
"""Of the memory; the rest is Python's: the expression, what is in no file, the answer."""


class Engine(Protocol):
    """Reads day files and computes expressions over them; blocks."""

    name: str

    def rows(self, paths: Sequence[Path]) -> Table:
        """The rows of day files, one table."""
        ...

    def table(self, expression: Table, most: int) -> Any:
        """The rows of an expression as an Arrow table. Raises TooComplex for more than `most` of
        them, or more memory than there is."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


class DuckEngine:
    """DuckDB in memory: it reads the files of one folder and nothing else, and writes nothing."""

    name = DUCKDB

    def __init__(self, folder: Path, limits: Limits, threads: int = 1) -> None:
        import duckdb
        import ibis

        self._connection = duckdb.connect(config={
            "threads": threads,
            "memory_limit": f"{int(limits.memory_mb * SHARE)}MB",
            "temp_directory": "",  # a question that does not fit is refused
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        })  # fmt: skip
        self._ibis = ibis.duckdb.from_connection(self._connection)
        place = str(folder).replace("'", "''")
        self._connection.execute(f"SET allowed_directories = ['{place}']")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")

    def rows(self, paths: Sequence[Path]) -> Table:
        """The rows of day files, one table."""
        return self._ibis.read_parquet(sorted(map(str, paths)))

    def table(self, expression: Table, most: int) -> Any:
        """The rows of an expression as an Arrow table."""
        import duckdb

        try:
            return few(self._ibis.to_pyarrow(expression.limit(most + 1)), most)
        except duckdb.OutOfMemoryException as error:
            raise TooComplex("That takes more memory than an answer may: ask for less") from error
        except duckdb.Error as error:
            raise Unavailable(f"History cannot be read: {error}") from error

    def close(self) -> None:
        """Let go of everything."""
        self._connection.close()


def few(table: Any, most: int) -> Any:
    """An answer that is not too long. Raises TooComplex."""
    if table.num_rows > most:
        raise TooComplex(f"The answer has more than {most:,} rows: ask for less, or longer periods")
    return table


def open_engine(address: str, folder: Path, limits: Limits) -> Engine:
    """The engine at an address, ready. Raises ConfigurationError where it is not installed,
    Unavailable where nobody answers."""
    if check_engine(address) == DUCKDB:
        return DuckEngine(folder, limits)
    try:
        from pintu.kernel.analytics.engines.spark import SparkEngine
    except ImportError as error:
        raise ConfigurationError([f"{address} needs pintu[spark]: {error}"]) from error
    return SparkEngine(address, limits)
