"""A Spark cluster as an engine: the files lie in a folder that its workers see, too."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import ibis
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from pintu.kernel.analytics.engines.engine import few
from pintu.kernel.analytics.engines.samples import Table
from pintu.kernel.analytics.engines.words import Limits
from pintu.kernel.errors import TooComplex, Unavailable

OPTIONS: Final = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    # what is not there is null, as with the other engine
    "spark.sql.ansi.enabled": "false",
    # the quick reader knows fewer of the encodings that day files have
    "spark.sql.parquet.enableVectorizedReader": "false",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.log.level": "ERROR",
}
BYTES_A_PART, FEWEST_PARTS, MOST_PARTS = 4_000_000, 8, 1_000
"""Of files: half a million rows. Spark's own 200 parts cost a small question a minute."""
TOO_MUCH: Final = ("OutOfMemoryError", "maxResultSize")


class SparkEngine:
    """One application of a cluster; the driver runs here, in a JVM of its own."""

    def __init__(self, address: str, limits: Limits, **options: str) -> None:
        self.name = address
        memory = {"spark.driver.memory": f"{limits.memory_mb}m", "spark.driver.host": _host()}
        builder = SparkSession.builder.master(address).appName("pintu history")
        for key, value in {**OPTIONS, **memory, **options}.items():
            builder = builder.config(key, value)
        try:
            self._session = builder.getOrCreate()
        except (PySparkException, Py4JError, OSError, RuntimeError) as error:
            raise Unavailable(f"No Spark at {address}: {_said(error)}") from error
        self._ibis = ibis.pyspark.connect(self._session)

    def rows(self, paths: Sequence[Path]) -> Table:
        """The rows of day files, one table."""
        size = sum(path.stat().st_size for path in paths)
        parts = min(max(size // BYTES_A_PART, FEWEST_PARTS), MOST_PARTS)
        self._session.conf.set("spark.sql.shuffle.partitions", str(parts))
        frame = self._session.read.parquet(*sorted(path.as_uri() for path in paths))
        name = ibis.util.gen_name("day_files")
        frame.createOrReplaceTempView(name)
        return self._ibis.table(name)

    def table(self, expression: Table, most: int) -> Any:
        """The rows of an expression as an Arrow table."""
        try:
            return few(self._ibis.to_pyarrow(expression.limit(most + 1)), most)
        except (PySparkException, Py4JError) as error:
            said = _said(error)
            if any(word in str(error) for word in TOO_MUCH):
                raise TooComplex(f"That takes more memory than there is: {said}") from error
            raise Unavailable(f"The cluster gave no answer: {said}") from error

    def close(self) -> None:
        """End the application."""
        with contextlib.suppress(PySparkException, Py4JError, OSError):
            self._session.stop()


def _host() -> str:
    """Where workers call the driver back."""
    return os.environ.get("SPARK_LOCAL_IP", "127.0.0.1")


def _said(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:300]
