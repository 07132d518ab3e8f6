"""`pintu init`: make a PostgreSQL server ready for a city, after saying what that means."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pintu.cli.shell import Data, err, out
from pintu.kernel.errors import ConfigurationError
from pintu.kernel.store.address import parse_address
from pintu.processes.lock import prepare_folder

if TYPE_CHECKING:
    from pintu.cli.init_server import Founding


def init(
    store: Annotated[
        str,
        typer.Option(
            help="The server and database, as an administrator: postgresql://ADMIN@HOST/DATABASE."
        ),
    ],
    print_sql: Annotated[
        bool, typer.Option("--sql", help="Print SQL for an administrator; change no server.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = None,
) -> int:
    """Make a PostgreSQL server ready for this city: database, PostGIS, roles, schema, a view.

    It says first what it will do, asks, and may be run again. Passwords are made here, lie in
    files that only you can read, and are never shown.
    """
    address = parse_address(store)
    try:
        from pintu.cli.init_server import Founding
    except ImportError as error:
        raise ConfigurationError(
            [f"A store on PostgreSQL needs more: pip install 'pintu[postgres]' ({error})"]
        ) from error
    folder = (data or Path(os.environ.get("PINTU_DATA") or "./.data")).expanduser().absolute()
    prepare_folder(folder)
    founding = Founding(address, folder)
    if print_sql:
        _print_sql(founding)
        return 0
    facts = founding.look()
    for line in founding.plan(facts):
        out.print(line, soft_wrap=True, markup=False)
    if not yes:
        typer.confirm("Do this?", abort=True)
    founding.make(facts)
    out.print("the server is ready")
    if founding.in_files:
        told = (
            f"bring the city there: pintu move --data {folder} --to '{founding.city_address.shown}'"
        )
    else:
        told = f"start the city: pintu up --data {folder}"
    out.print(told, soft_wrap=True, markup=False)
    return 0


def _print_sql(founding: Founding) -> None:
    """The script alone to stdout, so that it can be piped into psql; the rest to stderr."""
    sys.stdout.write(founding.script())
    for role, path in founding.files.items():
        err.print(f"The password of {role} lies in {path}", soft_wrap=True, markup=False)
    told = f'store = "{founding.city_address.shown}"'
    if founding.in_files:
        told = f"pintu move --data {founding.data} --to '{founding.city_address.shown}'"
    err.print(f"When an administrator ran it: {told}", soft_wrap=True, markup=False)
