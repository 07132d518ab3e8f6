"""Where rows and heads come from: an export of a log, a file of heads, or a copy of the city's own
databases (`city.db` for rows, `rooms/audit.db` for heads).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from pintu_verify.notes import Head, Unreadable, read_head

FORMAT = "pintu-log/1"
SQLITE = b"SQLite format 3\x00"
Piece = tuple[int, bytes] | Head
"""A row (number, bytes) or a head, in the order in which the source tells them."""


def pieces_of(path: Path) -> Iterator[Piece]:
    """Rows and heads of a file; raises Unreadable."""
    try:
        with path.open("rb") as file:
            first = file.read(16)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from error
    if first == SQLITE:
        yield from _database(path)
    else:
        yield from _export(path)


def _database(path: Path) -> Iterator[Piece]:
    # a copy whose write-ahead log was not folded back has a file beside it, which is read as well
    wal = path.with_name(f"{path.name}-wal")
    more = "" if wal.exists() and wal.stat().st_size else "&immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{more}", uri=True)) as db:
            names = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
            if "note" in names:
                for number, body in db.execute("SELECT number, body FROM note ORDER BY number"):
                    yield int(number), body if isinstance(body, bytes) else str(body).encode()
            elif "head" in names:
                yield from _told_heads(db, "cosignature" in names)
            else:
                raise Unreadable(f"{path} is a database without rows or heads of a log")
    except sqlite3.Error as error:
        raise Unreadable(f"{path} cannot be read: {error}") from error


def _told_heads(db: sqlite3.Connection, cosigned: bool) -> Iterator[Head]:
    lines: dict[tuple[int, int], list[str]] = {}
    if cosigned:
        for era, size, line in db.execute("SELECT era, size, line FROM cosignature"):
            lines.setdefault((era, size), []).append(line)
    for era, size, told in db.execute("SELECT era, size, told FROM head ORDER BY era, size"):
        yield read_head(told + "".join(f"{line}\n" for line in lines.get((era, size), ())))


def _export(path: Path) -> Iterator[Piece]:
    """Lines of JSON: first what it is, then `[number, "row"]` and `{"head": "…"}`; a file of
    heads alone may also be one head as it was published.
    """
    with path.open("rb") as file:
        first = file.readline(1 << 20)
        if not first.startswith(b"{"):
            yield read_head(_text(first + file.read(1 << 16)))
            return
        told = _read(first, 1)
        if not isinstance(told, dict) or told.get("format") != FORMAT:
            raise Unreadable(f"{path} is no export of a log ({FORMAT})")
        for number, line in enumerate(file, 2):
            one = _read(line, number)
            if isinstance(one, list) and len(one) == 2 and isinstance(one[1], str):
                if not isinstance(one[0], int):
                    raise Unreadable(f"Line {number} has a row without a number")
                yield one[0], one[1].encode("utf-8", "surrogatepass")
            elif isinstance(one, dict) and isinstance(one.get("head"), str):
                yield read_head(one["head"])
            else:
                raise Unreadable(f"Line {number} is neither a row nor a head")


def _text(told: bytes) -> str:
    try:
        return told.decode()
    except UnicodeDecodeError as error:
        raise Unreadable("It is no text") from error


def _read(line: bytes, number: int) -> object:
    try:
        found: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"Line {number} is no JSON") from error
    return found
