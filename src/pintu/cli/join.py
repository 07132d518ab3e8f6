"""`pintu join URL`: two operators compare fingerprints once, and their nodes are neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from pintu.cli.shell import CityClient, Data, complain, needed_city, out, settings_of

Wish = Mapping[str, object]


def join(
    url: Annotated[
        str | None, typer.Argument(help="The other node's address: https://data.city.example.")
    ] = None,
    code: Annotated[
        str | None,
        typer.Option(help="An invitation code that the other node's administrator made."),
    ] = None,
    fingerprint: Annotated[
        str | None,
        typer.Option(help="The other node's fingerprint, when you compared it already."),
    ] = None,
    invite: Annotated[
        bool, typer.Option("--invite", help="Make a code that lets one node join this one at once.")
    ] = False,
    offer: Annotated[
        str | None,
        typer.Option(
            help="Types the other node may read here, e.g. Streetlight,AirQualityObserved; - ends "
            "the offer. Never types that tell of persons."
        ),
    ] = None,
    tenant: Annotated[str, typer.Option(help="The tenant that is offered of.")] = "",
    to: Annotated[
        str | None, typer.Option(help="The neighbour that is offered to, when it is one already.")
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="This node's own fingerprint, and its neighbours.")
    ] = False,
    data: Data = None,
) -> int:
    """Join another node: keys are exchanged both ways once the fingerprints were compared."""
    with needed_city(settings_of(data)) as city:
        if invite:
            typer.echo(city.json("POST", "/api/v1/nodes/invitations")["code"])
            out.print(
                "[dim]for one node, within a day; it holds your key's id: tell it as it is[/]"
            )
            return 0
        types = [one.strip() for one in (offer or "").split(",") if one.strip() not in ("", "-")]
        wish: Wish | None = None if offer is None else {"types": types, "tenant": tenant}
        if to is not None and wish is not None:
            return _offer(city, to, wish)
        if show or url is None:
            return _show(city)
        return _join(city, url, {"code": code or "", "fingerprint": fingerprint or ""}, wish)


def _offer(city: CityClient, node: str, wish: Wish) -> int:
    told = city.json("POST", f"/api/v1/nodes/{node}/offer", json=wish)
    types = ", ".join(told["types"]) or "nothing"
    out.print(f"{node} may read {types} here; nobody may write", markup=False)
    return 0


def _show(city: CityClient) -> int:
    told = city.json("GET", "/api/v1/nodes")
    own = told["self"]
    out.print(f"this node: {own['name']} at {own['url']}", markup=False)
    out.print(f"fingerprint: {own['fingerprint']}", markup=False)
    for one in told["nodes"]:
        line = f"{one['name']:<20} {one['state']:<10} {one['url']}  {one['fingerprint']}"
        out.print(line, markup=False, soft_wrap=True)
    return 0


def _join(city: CityClient, url: str, shown: dict[str, str], wish: Wish | None) -> int:
    code, fingerprint = shown["code"], shown["fingerprint"]
    found = city.json("POST", "/api/v1/nodes/look", json={"url": url})
    out.print(f"node {found['name']} at {found['url']}", markup=False)
    out.print(f"its fingerprint: {found['fingerprint']}", markup=False)
    if not code and not fingerprint:
        own = city.json("GET", "/api/v1/nodes")["self"]["fingerprint"]
        out.print(f"ours:            {own}", markup=False)
        out.print("Call its operator and read both to each other.")
        if not typer.confirm("Is what they read the same?", default=False):
            complain("nothing was joined: the fingerprints differ or were not compared")
            return 1
        fingerprint = found["fingerprint"]
    asked = {"url": url, "code": code, "fingerprint": fingerprint}
    done = city.json("POST", "/api/v1/nodes", json=asked)
    if done["state"] == "joined":
        out.print(f"joined with {done['name']}", markup=False)
    else:
        out.print(
            f"{done['name']} knows of our wish; its administrator compares our fingerprint and "
            "accepts on its page of neighbours",
            markup=False,
            soft_wrap=True,
        )
    return 0 if wish is None else _offer(city, done["name"], wish)
