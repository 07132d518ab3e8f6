"""`pintu import` and `pintu export`: entities as lines of JSON, through the city's public doors."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated, Any
from urllib.parse import quote

import orjson
import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from pintu.cli.door import city_door
from pintu.cli.shell import CityClient, Data, complain, err, settings_of
from pintu.kernel.errors import PintuError

BATCH = 500
LINE_LIMIT = 4_000_000
SHOWN_MISTAKES = 20
NGSI_LD = "/ngsi-ld/v1"

Tenant = Annotated[str, typer.Option(help="The tenant; empty is the default one.", metavar="NAME")]


@dataclass(slots=True)
class Tally:
    """What an import did."""

    stored: int = 0
    refused: int = 0
    mistakes: list[str] = field(default_factory=list)

    def refuse(self, where: str, reason: str) -> None:
        """Count one refused entity and keep the first reasons."""
        self.refused += 1
        if len(self.mistakes) < SHOWN_MISTAKES:
            self.mistakes.append(f"{where}: {reason}")


def import_(
    file: Annotated[str, typer.Argument(help="NDJSON, one entity a line; '-' is standard input.")],
    tenant: Tenant = "",
    update: Annotated[
        bool, typer.Option("--update", help="Merge into entities that exist; default: replace.")
    ] = False,
    data: Data = None,
) -> int:
    """Bring entities in: one NGSI-LD entity a line; what exists is replaced (or merged).

    Goes through the running city, or straight into the store when none runs. Every refused line is
    counted and the first ones are shown with the reason; the others are stored.
    """
    tally = Tally()
    settings = settings_of(data)
    with _opened(file) as (lines, size), city_door(settings) as door, _progress() as bar:
        task = bar.add_task(f"import {file}", total=size, note="")
        for batch in _batches(lines, tally, bar, task, by_bytes=size is not None):
            _store(door, tenant, batch, update=update, tally=tally)
            bar.update(task, note=f"{tally.stored:,} stored, {tally.refused:,} refused")
    for one in tally.mistakes:
        complain(one)
    err.print(f"{tally.stored:,} entities stored, {tally.refused:,} refused")
    return 1 if tally.refused else 0


@contextmanager
def _opened(file: str) -> Iterator[tuple[IO[bytes], int | None]]:
    if file == "-":
        yield sys.stdin.buffer, None
        return
    path = Path(file)
    with path.open("rb") as lines:
        yield lines, path.stat().st_size


def _batches(
    lines: IO[bytes], tally: Tally, bar: Progress, task: TaskID, *, by_bytes: bool
) -> Iterator[list[tuple[str, bytes]]]:
    batch: dict[str, tuple[str, bytes]] = {}
    number = read = 0
    while line := lines.readline(LINE_LIMIT + 1):
        number += 1
        read += len(line)
        where = f"line {number}"
        if len(line) > LINE_LIMIT:
            raise PintuError(f"{where} is longer than {LINE_LIMIT:,} bytes: one entity a line?")
        found = _entity_id(line, where, tally)
        if found is None:
            continue
        if found in batch or len(batch) >= BATCH:
            yield list(batch.values())
            batch.clear()
            if by_bytes:
                bar.update(task, completed=read)
        batch[found] = (where, line.strip())
    if batch:
        yield list(batch.values())
    if by_bytes:
        bar.update(task, completed=read)


def _entity_id(line: bytes, where: str, tally: Tally) -> str | None:
    if not line.strip():
        return None
    try:
        entity = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        tally.refuse(where, f"is not JSON: {error}")
        return None
    if not isinstance(entity, dict) or not isinstance(entity.get("id"), str):
        tally.refuse(where, "is not an entity with an id")
        return None
    return str(entity["id"])


def _store(
    door: CityClient,
    tenant: str,
    batch: list[tuple[str, bytes]],
    *,
    update: bool,
    tally: Tally,
) -> None:
    headers = {"Content-Type": "application/json", **_tenant(tenant)}
    if any(b'"@context"' in line for _, line in batch):
        headers["Content-Type"] = "application/ld+json"
        batch = [(where, _with_context(line)) for where, line in batch]
    body = b"[" + b",".join(line for _, line in batch) + b"]"
    path = f"{NGSI_LD}/entityOperations/upsert?options={'update' if update else 'replace'}"
    answer = door.send("POST", path, content=body, headers=headers)
    if answer.status_code in (201, 204):
        tally.stored += len(batch)
        return
    if answer.status_code != 207:
        for where, _ in batch:
            tally.refuse(where, door.problem(answer))
        return
    errors = answer.json().get("errors", [])
    places = {orjson.loads(line).get("id"): where for where, line in batch}
    tally.stored += len(batch) - len(errors)
    for one in errors:
        problem = one.get("error") or {}
        reason = problem.get("detail") or problem.get("title") or "refused"
        tally.refuse(f"{places.get(one.get('entityId'), '?')} {one.get('entityId')}", reason)


def _with_context(line: bytes) -> bytes:
    """In a batch of JSON-LD every entity carries its own @context; one without has the core's."""
    if b'"@context"' in line:
        return line
    return orjson.dumps({**orjson.loads(line), "@context": []})


def _tenant(tenant: str) -> dict[str, str]:
    return {"NGSILD-Tenant": tenant} if tenant else {}


def export(
    file: Annotated[str, typer.Argument(help="Where to; '-' is standard output.")] = "-",
    tenant: Tenant = "",
    type_: Annotated[
        list[str] | None, typer.Option("--type", help="Only these entity types.", metavar="TYPE")
    ] = None,
    times: Annotated[bool, typer.Option("--times", help="With createdAt and modifiedAt.")] = False,
    data: Data = None,
) -> int:
    """Write every entity as one line of NGSI-LD JSON (normalized), ready for `pintu import`."""
    with city_door(settings_of(data)) as door, _written(file) as target, _progress() as bar:
        seen: set[str] = set()
        for name in type_ or _types(door, tenant):
            _export_type(door, tenant, name, seen=seen, target=target, bar=bar, times=times)
    err.print(f"{len(seen):,} entities written")
    return 0


@contextmanager
def _written(file: str) -> Iterator[IO[bytes]]:
    if file == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(file)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as target:
        yield target
    partial.replace(path)  # a file of that name is always whole


def _types(door: CityClient, tenant: str) -> list[str]:
    answer = door.send("GET", f"{NGSI_LD}/types", headers=_tenant(tenant))
    if answer.status_code == 404:
        raise PintuError(door.problem(answer))
    names = door.checked(answer).json().get("typeList", [])
    return [str(one) for one in names]


def _export_type(
    door: CityClient,
    tenant: str,
    type_: str,
    *,
    seen: set[str],
    target: IO[bytes],
    bar: Progress,
    times: bool,
) -> None:
    limit, offset, total = 1000, 0, None
    task = bar.add_task(f"export {type_}", total=None, note="")
    while total is None or offset < total:
        path = f"{NGSI_LD}/entities?type={quote(type_, safe='')}&limit={limit}&offset={offset}"
        path += "&count=true" if total is None else ""
        path += "&options=sysAttrs" if times else ""
        answer = door.ask("GET", path, headers=_tenant(tenant))
        if total is None:
            total = int(answer.headers.get("NGSILD-Results-Count", "0"))
        page: list[dict[str, Any]] = orjson.loads(answer.content)
        for one in page:
            if one["id"] not in seen:  # an entity of two types comes with each
                seen.add(one["id"])
                target.write(orjson.dumps(one) + b"\n")
        offset += limit
        bar.update(task, total=total, completed=min(offset, total), note=f"{len(seen):,}")
        if not page:
            break


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=err,
        disable=not err.is_terminal,
    )
