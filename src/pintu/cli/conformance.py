"""`pintu conformance URL`: a compact run of checks against any NGSI-LD node, a clause a line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import httpx
import typer

from pintu.cli.conformance_checks import CHECKS, Check
from pintu.cli.conformance_node import Failed, Node, NotOffered
from pintu.cli.conformance_report import (
    Report,
    Result,
    Verdict,
    as_html,
    as_json,
    as_text,
)
from pintu.cli.shell import complain
from pintu.kernel.errors import BadRequestData

TOKEN = "PINTU_CONFORMANCE_TOKEN"
TIMEOUT_S = 10.0
FORMATS: Final[dict[str, Callable[[Report], str]]] = {
    ".json": as_json, ".html": as_html, ".txt": as_text,
}  # fmt: skip


def conformance(
    url: Annotated[str, typer.Argument(help="The node, for instance http://broker:1026")],
    write: Annotated[
        bool, typer.Option("--write", help="Create and delete entities without asking.")
    ] = False,
    tenant: Annotated[
        str, typer.Option(help="Tenant to work in; default: one of its own, if the node lets it.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Also write the report: FILE.json, FILE.html or FILE.txt.")
    ] = None,
) -> int:
    """Ask a node, clause by clause, whether it does what NGSI-LD says.

    Writes only entities called urn:ngsi-ld:PintuConformance:… and deletes them again; asks before,
    unless --write is given; without a yes it only reads. A token for the node is read from the
    environment variable PINTU_CONFORMANCE_TOKEN.
    """
    address = checked(url)
    if out is not None and out.suffix not in FORMATS:
        raise BadRequestData(f"A report is a file ending in {', '.join(FORMATS)}")
    writes = write or asked(address)
    token = os.environ.get(TOKEN, "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=address, timeout=TIMEOUT_S, headers=headers) as client:
        report = run_all(client, writes=writes, tenant=tenant)
    typer.echo(as_text(report))
    if out is not None:
        out.write_text(FORMATS[out.suffix](report), "utf-8")
    return 1 if report.counts["failed"] or report.left else 0


def checked(url: str) -> str:
    """The node's address with a slash at its end; BadRequestData for what is none."""
    parts = urlsplit(url if "//" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadRequestData(f"{url[:100]!r} is no address of a node: http://HOST:PORT")
    path = parts.path.rstrip("/").removesuffix("/ngsi-ld/v1")
    return f"{parts.scheme}://{parts.netloc}{path}/"


def asked(address: str) -> bool:
    """Whether a person lets us write; nobody there: no."""
    if not sys.stdin.isatty():
        complain("only reading: give --write to create and delete entities there")
        return False
    return typer.confirm(f"Create and delete test entities on {address}?", default=False)


def run_all(
    client: httpx.Client, *, writes: bool, tenant: str = "", checks: Iterable[Check] = CHECKS
) -> Report:
    """Every check, each with its own memory of requests; what was made is deleted."""
    node = Node(client, tenant=tenant)
    if writes and not tenant:
        node.tenant = own_tenant(node)
    results = []
    for check in checks:
        node.seen.clear()
        if check.writes and not writes:
            results.append(Result(clause=check.clause, title=check.title, verdict="not asked"))
            continue
        results.append(one_result(check, node))
    left = node.clear() if writes else 0
    return Report(
        url=str(client.base_url),
        tenant=node.tenant,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        results=results,
        left=left,
    )


def own_tenant(node: Node) -> str:
    """A tenant of this run's own where the node makes one; else the default one."""
    name = f"pintuconformance{node.run}"
    probe = Node(node.client, tenant=name, run=node.run)
    try:
        made = probe.ask("POST", "/entities", probe.thing("probe", level=1))
    except Failed:
        return ""
    if made.status != 201:
        return ""
    node.made[probe.id("probe")] = None
    return name


def one_result(check: Check, node: Node) -> Result:
    """How one check ended."""
    verdict: Verdict = "passed"
    reason = ""
    try:
        check.run(node)
    except NotOffered as error:
        verdict, reason = "not offered", str(error)
    except Failed as error:
        verdict, reason = "failed", str(error)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        verdict = "failed"
        reason = f"the answer has another shape: {type(error).__name__} {error}"[:300]
    return Result(
        clause=check.clause, title=check.title, verdict=verdict, reason=reason,
        seen=tuple(node.seen) if verdict == "failed" else (),
    )  # fmt: skip
