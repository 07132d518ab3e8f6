"""`pintu up`: the city in one command."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from pintu import restored
from pintu.cli.shell import Data, err, out, settings_of
from pintu.processes.up import run_city

MadeUpClock = Annotated[
    str | None, typer.Option(help="'real', or a made-up time and rate: '2026-01-01T00:00Z x60'.")
]
OpenTown = Annotated[
    bool,
    typer.Option("--open", help="Everybody on this machine may do everything (loopback only)."),
]
Plain = Annotated[bool, typer.Option("--plain", help="Serve NGSI-LD without the fast lane.")]
TakeOver = Annotated[
    bool,
    typer.Option(
        "--take-over", help="Of a restored city: its original is gone, it speaks from now on."
    ),
]


def up(
    data: Data = None,
    port: Annotated[
        int | None, typer.Option(help="The city's port; the demo's MQTT is PORT+1. [default: 8800]")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="The address to listen on. [default: 127.0.0.1]")
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Start a demo city of simulated devices beside it.")
    ] = False,
    no_pieces: Annotated[
        bool, typer.Option("--no-pieces", help="A bare broker: no piece is started.")
    ] = False,
    open_: OpenTown = False,
    plain: Plain = False,
    store: Annotated[
        str | None,
        typer.Option(help="Where the city is kept: sqlite: or postgresql://… [default: sqlite:]"),
    ] = None,
    node: Annotated[
        str | None,
        typer.Option(help="This broker's name among several of one city on one PostgreSQL."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the demo city. [default: 1]")] = None,
    clock: MadeUpClock = None,
    take_over: TakeOver = False,
) -> int:
    """Start the city and stay until Ctrl-C; the same command continues where it was."""
    settings = settings_of(
        data,
        port=port,
        store=store,
        node=node,
        host=host,
        demo=demo,
        pieces=not no_pieces,
        open=open_,
        plain=plain,
        seed=seed,
        clock=clock,
    )
    if take_over:
        restored.take_over(settings.data)
    return run_city(
        settings,
        say=lambda sentence: out.print(f"[bold]pintu[/] {escape(sentence)}", soft_wrap=True),
        log=lambda sentence: err.print(f"[dim]supervisor[/] {escape(sentence)}", soft_wrap=True),
    )
