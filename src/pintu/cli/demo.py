"""`pintu demo`: let something happen in the demo city that runs beside a city."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

import aiomqtt
import orjson
import typer

from pintu.cli.shell import Data, out, settings_of
from pintu.kernel.errors import Unavailable

CONTROL: Final = "demo/control"
WITHIN_S: Final = 10.0
KINDS: Final = ("burst", "pumps", "power", "fibre", "covers", "fire", "crash", "river")

app = typer.Typer(help="The demo city: a storm, an incident, an end of both.", no_args_is_help=True)
Port = Annotated[int | None, typer.Option(help="The city's port; the demo's MQTT is PORT+1.")]


@app.command("storm")
def storm(data: Data = None, port: Port = None) -> int:
    """Let a storm of five hours begin: sewers, pumps, the river, power."""
    _say(data, port, {"what": "storm"})
    out.print("A storm begins; it rains for five hours of the city's clock.")
    return 0


@app.command("incident")
def incident(
    kind: Annotated[str, typer.Argument(help=f"One of: {', '.join(KINDS)}.")] = "pumps",
    things: Annotated[
        int | None, typer.Option(min=2, max=200, help="So many things in it.")
    ] = None,
    road: Annotated[str, typer.Option(help="On this road, by its name.")] = "",
    data: Data = None,
    port: Port = None,
) -> int:
    """Let one incident begin now."""
    if kind not in KINDS:
        raise typer.BadParameter(f"{kind!r} is not one of: {', '.join(KINDS)}")
    told: dict[str, Any] = {"what": "incident", "kind": kind, "road": road}
    _say(data, port, told | ({"things": things} if things else {}))
    out.print(f"An incident of kind {kind} begins.")
    return 0


@app.command("end")
def end(data: Data = None, port: Port = None) -> int:
    """Everything that happens is over; alarms end one after the other."""
    _say(data, port, {"what": "end"})
    out.print("Everything is over.")
    return 0


def _say(data: Any, port: int | None, told: dict[str, Any]) -> None:
    settings = settings_of(data, port=port)
    asyncio.run(_publish(settings.port + 1, orjson.dumps(told)))


async def _publish(port: int, body: bytes) -> None:
    try:
        async with (
            asyncio.timeout(WITHIN_S),
            aiomqtt.Client("127.0.0.1", port, timeout=WITHIN_S) as client,
        ):
            await client.publish(CONTROL, body, qos=1)
    except (aiomqtt.MqttError, OSError, TimeoutError) as error:
        raise Unavailable(
            f"No demo city answers on port {port}: start one with pintu up --demo"
        ) from error
