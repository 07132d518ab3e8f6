"""A consistent copy of a city in one file, by the server's own program."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from pintu.kernel.errors import ConfigurationError, DiskFull
from pintu.kernel.store.address import StoreAddress

PROGRAM = "pg_dump"


async def dump(address: StoreAddress, target: Path) -> None:
    """Write the city's schema into a new file that `pg_restore` reads, while writing goes on.

    Raises ConfigurationError without `pg_dump`, DiskFull when the file exists or the copy breaks.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise ConfigurationError(
            ["A copy of a city on PostgreSQL is made by pg_dump: apt-get install postgresql-client"]
        )
    if target.exists():
        raise DiskFull(f"The backup {target} cannot be written: it exists")
    process = await asyncio.create_subprocess_exec(
        program,
        "--format=custom",
        f"--schema={address.schema}",
        f"--file={target}",
        env=_environment(address),
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await process.communicate()
    if process.returncode:
        target.unlink(missing_ok=True)
        why = told.decode("utf-8", "replace").strip()
        raise DiskFull(f"The backup {target} cannot be written: {why}")


def _environment(address: StoreAddress) -> dict[str, str]:
    """What libpq reads: the password never stands on a command line."""
    given = {
        "PGHOST": ",".join(host for host, _ in address.hosts),
        "PGPORT": ",".join(str(port) for _, port in address.hosts),
        "PGDATABASE": address.database,
        "PGUSER": address.user,
        "PGPASSWORD": address.secret(),
        "PGSSLMODE": address.sslmode,
        "PGSSLROOTCERT": address.sslrootcert and str(address.sslrootcert),
        "PGSSLCERT": address.sslcert and str(address.sslcert),
        "PGSSLKEY": address.sslkey and str(address.sslkey),
    }
    return {**os.environ, **{name: value for name, value in given.items() if value}}
