"""`pintu relay …`: how the relay through NATS is, and telling a tenant's present again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from pintu.cli.shell import Data, out, settings_of
from pintu.kernel.errors import ConfigurationError, PintuError, Unavailable
from pintu.settings import Settings

if TYPE_CHECKING:
    from pintu.kernel.relay.bus import Bus
    from pintu.kernel.relay.words import Relay

app = typer.Typer(help="The relay through NATS to other cities.", no_args_is_help=True)
WAIT_S = 6.0
MARKS = {True: "[green]works[/]", False: "[red]missing[/]", None: "[yellow]waits[/]"}


class Line(NamedTuple):
    """One thing that was looked at: works, does not, or waits (None)."""

    what: str
    works: bool | None
    told: str


@app.command()
def status(data: Data = None) -> int:
    """How far both halves of the relay are, asked of NATS and of the running city."""
    lines = looked_at(settings_of(data))
    if not lines:
        told = "this city is not joined to others: there is no [relay] in pintu.toml"
        out.print(told, markup=False, soft_wrap=True)
        return 0
    table = Table(box=None, show_header=False)
    for one in lines:
        table.add_row(MARKS[one.works], one.what, escape(one.told))
    out.print(table)
    return int(any(one.works is False for one in lines))


@app.command()
def present(
    tenant: Annotated[str, typer.Argument(help="A tenant that leaves; `default` has no name.")],
    data: Data = None,
) -> int:
    """Have the running city tell a tenant's present again, for copies that differ."""
    told = _told(settings_of(data))
    asked = {"what": "present", "tenant": "" if tenant == "default" else tenant}
    if asked["tenant"] not in {one.tenant for one in told.out}:
        raise ConfigurationError([f"{tenant} does not leave: there is no [relay.out.{tenant}]"])
    answer = asyncio.run(_with_bus(told, lambda bus: _ask(bus, told.city, asked)))
    telling = ", ".join(answer["out"]["telling"]) or "nothing any more"
    out.print(f"being told: {telling}", markup=False, soft_wrap=True)
    return 0


def looked_at(settings: Settings) -> list[Line]:
    """What `pintu doctor` and `pintu relay status` tell; empty without a relay."""
    if not settings.relay:
        return []
    try:
        told = _told(settings)
        return asyncio.run(_with_bus(told, lambda bus: _look(bus, told)))
    except PintuError as error:
        return [Line("relay", False, error.detail or error.title)]


def _told(settings: Settings) -> Relay:
    from pintu.kernel.relay.words import read_relay

    found = read_relay(settings.relay, city=settings.node_name)[0]
    if found is None:
        raise ConfigurationError(["There is no [relay] in pintu.toml"])
    return found


async def _with_bus(told: Relay, ask: Any) -> Any:
    try:
        from pintu.kernel.relay.bus import Bus

        bus = Bus(told.line, f"pintu {told.city} command line")
        bus.start()
    except ImportError as error:
        raise Unavailable("pip install 'pintu[nats]'") from error
    try:
        async with asyncio.timeout(WAIT_S):
            await bus.wait()
        return await ask(bus)
    except TimeoutError as error:
        raise Unavailable(f"NATS is away: {bus.trouble}") from error
    finally:
        await bus.stop()


async def _ask(bus: Bus, city: str, question: dict[str, str]) -> dict[str, Any]:
    from pintu.kernel.relay import names

    answer = await bus.request(names.asking(city), orjson.dumps(question))
    found: dict[str, Any] = orjson.loads(answer)
    return found


async def _look(bus: Bus, told: Relay) -> list[Line]:
    """NATS, the stream and who reads it, then what the running city says of itself."""
    from pintu.kernel.relay import names

    lines = [Line("relay", True, f"NATS answers; this city is {told.city}")]
    name = names.stream(told.city)
    stream = await bus.find_stream(name) if told.out else None
    if stream is not None:
        there = f"{stream.messages} messages, {stream.bytes / 1e6:.1f} MB, "
        there += f"{stream.current} of {stream.replicas} replicas have all"
        lines.append(Line("  stream", stream.current >= stream.replicas or None, there))
        for one in (await bus.api(f"CONSUMER.LIST.{name}", {})).get("consumers") or ():
            behind = int(one.get("num_pending", 0))
            lines.append(Line(f"  read by {one['name']}", True, f"{behind} messages behind"))
    elif told.out:
        lines.append(Line("  stream", None, f"{name} is made when the city runs"))
    try:
        lines += _said(await _ask(bus, told.city, {"what": "status"}))
    except Unavailable:
        lines.append(Line("  city", None, "it does not run, or its relay does not answer"))
    return lines


def _said(status: dict[str, Any]) -> list[Line]:
    lines = []
    sends = status.get("out")
    if sends:
        up = sends["state"] == "up"
        told = f"{sends['state']}, {sends['behind']} changes behind"
        lines.append(Line("  out", up or None, told))
        for tenant, why in sends["refused"].items():
            lines.append(Line(f"  out {tenant or 'default'}", False, why))
    for one in status["in"]:
        up = one["state"] == "up"
        told = f"{one['state']}, {one['waiting']} messages behind, {one['held']} in quarantine"
        what = f"  in {one['city']}/{one['tenant'] or 'default'} to {one['here'] or 'default'}"
        lines.append(Line(what, up or None, told))
    return lines
