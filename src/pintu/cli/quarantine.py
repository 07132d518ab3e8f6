"""`pintu quarantine`: what nobody could read, with the reason; look, try again, or drop."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from pintu.cli.door import city_door
from pintu.cli.shell import Data, needed_city, out, settings_of
from pintu.kernel.errors import ConfigurationError

app = typer.Typer(help="Messages nobody could read: list, show, retry, drop.", no_args_is_help=True)
PATH = "/api/v1/quarantine"

Number = Annotated[str, typer.Argument(help="The id that `pintu quarantine list` shows.")]


@app.command("list")
def list_(
    source: Annotated[str | None, typer.Option(help="Only from this source.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    data: Data = None,
) -> int:
    """The newest messages in quarantine."""
    with city_door(settings_of(data)) as door:
        asked = {"limit": limit, **({"source": source} if source else {})}
        told = door.json("GET", PATH, params=asked)
    rows = _items(told)
    table = Table("id", "source", "received", "tries", "reason", box=None)
    for one in rows:
        table.add_row(
            *(
                escape(str(one.get(name, "")))
                for name in ("id", "source", "received", "tries", "reason")
            )
        )
    out.print(table if rows else "the quarantine is empty")
    return 0


@app.command()
def show(id: Number, data: Data = None) -> int:
    """One message: where from, when, why, and its bytes."""
    with city_door(settings_of(data)) as door:
        out.print_json(data=door.json("GET", f"{PATH}/{id}"))
    return 0


@app.command()
def retry(
    id: Annotated[str | None, typer.Argument(help="One message; leave out with --source.")] = None,
    source: Annotated[str | None, typer.Option(help="Every message of this source.")] = None,
    data: Data = None,
) -> int:
    """Read messages again, after their piece learned how (needs a running city)."""
    if (id is None) is (source is None):
        raise ConfigurationError(["Say either one id or --source, not both"])
    with needed_city(settings_of(data)) as door:
        ids = [id] if id else _ids(door, source)
        for one in ids:
            door.ask("POST", f"{PATH}/{one}/retry")
    out.print(f"{len(ids)} handed to their piece again")
    return 0


@app.command()
def drop(
    id: Annotated[str | None, typer.Argument(help="One message; leave out with --source.")] = None,
    source: Annotated[str | None, typer.Option(help="Every message of this source.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = None,
) -> int:
    """Throw messages away for good."""
    if (id is None) is (source is None):
        raise ConfigurationError(["Say either one id or --source, not both"])
    with city_door(settings_of(data)) as door:
        ids = [id] if id else _ids(door, source)
        if not yes and len(ids) > 1:
            typer.confirm(f"Drop {len(ids)} messages for good?", abort=True)
        for one in ids:
            door.ask("DELETE", f"{PATH}/{one}")
    out.print(f"{len(ids)} dropped")
    return 0


def _items(told: Any) -> list[dict[str, Any]]:
    return list(told["items"] if isinstance(told, dict) else told)


def _ids(door: Any, source: str | None) -> list[str]:
    told = door.json("GET", PATH, params={"limit": 1000, "source": source})
    return [str(one["id"]) for one in _items(told)]
