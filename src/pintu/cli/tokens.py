"""`pintu token`: who may come in, also while the city runs (it sees the change within 0.2 s)."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from pintu.cli.shell import Data, out, settings_of
from pintu.kernel.clock import CityClock, iso
from pintu.kernel.errors import ConfigurationError
from pintu.kernel.identity import Identity, Token
from pintu.kernel.tables import open_tables
from pintu.processes.lock import prepare_folder, running_city
from pintu.settings import Settings

app = typer.Typer(help="Tokens: create, list, revoke, and sign-in links.", no_args_is_help=True)

UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for: 'lamp contractor'.")],
    grant: Annotated[
        list[str] | None,
        typer.Option(
            "--grant",
            help="read:TENANT, write:…, command:…, register:…, operate:…; "
            "the default one is `default`.",
        ),
    ] = None,
    admin: Annotated[bool, typer.Option("--admin", help="May do everything.")] = False,
    expires: Annotated[
        str | None, typer.Option(help="When it ends: 12h, 30d, 8w. [default: never]")
    ] = None,
    organisation: Annotated[
        str, typer.Option(help="In whose name a service acts: health. [default: nobody's]")
    ] = "",
    data: Data = None,
) -> int:
    """Make a token; its text is shown once and kept nowhere."""
    grants = [*(grant or []), *(["admin"] if admin else [])]
    if not grants:
        raise ConfigurationError(["A token without grants can do nothing: add --grant or --admin"])
    ends_us = None if expires is None else time.time_ns() // 1000 + _seconds(expires) * 1_000_000
    with open_identity(settings_of(data)) as identity:
        secret, token = asyncio.run(_create(identity, name, grants, (ends_us, organisation)))
    typer.echo(secret)
    out.print(f"[dim]token {token.id}: {', '.join(sorted(token.grants))}; shown once[/]")
    return 0


@app.command("list")
def list_(data: Data = None) -> int:
    """Every token, without its text."""
    table = Table("id", "name", "grants", box=None)
    table.columns[0].no_wrap = True
    for column in ("made", "last used", "state"):
        table.add_column(column, no_wrap=True)
    with open_identity(settings_of(data)) as identity:
        now_us = time.time_ns() // 1000
        for token in identity.list_tokens():
            used = _minute(token.last_used_us) if token.last_used_us else "never"
            grants = ", ".join(sorted(token.grants))
            name, made = escape(token.name), _minute(token.created_us)
            table.add_row(token.id, name, escape(grants), made, used, _state(token, now_us))
    out.print(table)
    return 0


@app.command()
def revoke(
    id: Annotated[str, typer.Argument(help="The id that `pintu token list` shows.")],
    data: Data = None,
) -> int:
    """End a token and every session opened with it."""
    with open_identity(settings_of(data)) as identity:
        asyncio.run(identity.revoke_token(id))
    out.print(f"token {id} is revoked", markup=False)
    return 0


@app.command()
def rotate(
    id: Annotated[str, typer.Argument(help="The id that `pintu token list` shows.")],
    keep_hours: Annotated[
        float, typer.Option(help="Hours for which the text before stays good; 0: not at all.")
    ] = 24.0,
    data: Data = None,
) -> int:
    """Another text for a token, shown once; the one before stays good for a while."""
    with open_identity(settings_of(data)) as identity:
        secret = asyncio.run(identity.rotate_token(id, keep_hours=keep_hours))
    typer.echo(secret)
    return 0


@app.command()
def link(data: Data = None) -> int:
    """A link that signs the administrator in once, within a quarter of an hour."""
    settings = settings_of(data)
    with open_identity(settings) as identity:
        secret = settings.token_file.read_text("utf-8").strip()
        actor = identity.actor({b"authorization": b"Bearer " + secret.encode()}, "")
        code = asyncio.run(identity.create_sign_in_link(actor.id.removeprefix("token:")))
    address = settings.public_url or running_city(settings.data) or settings.address
    typer.echo(f"{address}/sign-in?code={code}")
    return 0


async def _create(
    identity: Identity, name: str, grants: list[str], more: tuple[int | None, str]
) -> tuple[str, Token]:
    ends_us, organisation = more
    return await identity.create_token(name, grants, expires_us=ends_us, organisation=organisation)


@contextmanager
def open_identity(settings: Settings) -> Iterator[Identity]:
    """Tokens and accounts of a data folder, also while its city runs."""
    prepare_folder(settings.data)
    tables = open_tables(settings.data, settings.store)
    try:
        identity = Identity(tables, CityClock(), trusted_proxies=settings.trusted_proxies)
        identity.ensure_admin(settings.token_file)
        yield identity
    finally:
        tables.close()


def _seconds(text: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,5})([mhdw])", text)
    if not found:
        raise ConfigurationError([f"--expires {text!r} is not like 90m, 12h, 30d or 8w"])
    return int(found[1]) * UNITS[found[2]]


def _minute(at_us: int) -> str:
    return f"{iso(at_us)[:16]}Z"


def _state(token: Token, now_us: int) -> str:
    if token.revoked_us is not None:
        return "revoked"
    return "valid" if token.valid(now_us) else "expired"
