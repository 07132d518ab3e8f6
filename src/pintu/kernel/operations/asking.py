"""What may be asked of a device: one ask, checked; what became of many."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from pintu.kernel.errors import BadRequestData, PintuError, TooLarge
from pintu.kernel.intake.words import Command

NAME: Final = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")
PIECE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
MAX_ARGUMENTS: Final = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One command asked for; the same actor's same `key` again is the same command."""

    piece: str
    name: str
    target: str
    arguments: dict[str, Any]
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Many:
    """What became of many asks, in the order asked: a command, or None where `refused` says why."""

    commands: list[Command | None]
    refused: list[tuple[Ask, PintuError]] = field(default_factory=list)


def check_ask(ask: Ask) -> None:
    """Raises BadRequestData or TooLarge for names and arguments that cannot be."""
    if not PIECE.fullmatch(ask.piece):
        raise BadRequestData(f"Piece {ask.piece[:50]!r} is not a piece's name")
    if not NAME.fullmatch(ask.name):
        raise BadRequestData(f"Command {ask.name[:50]!r} is not a name like 'DimLamp'")
    if not 1 <= len(ask.target) <= 500 or ":" not in ask.target:
        raise BadRequestData(f"Target {ask.target[:50]!r} is not an entity id")
    if not 1 <= len(ask.key) <= 200:
        raise BadRequestData("A command needs an idempotency key of 1 to 200 characters")
    try:
        size = len(json.dumps(ask.arguments, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequestData(f"The arguments of {ask.name} are not JSON: {error}") from error
    if size > MAX_ARGUMENTS:
        raise TooLarge(f"The arguments of {ask.name} have {size} bytes, more than {MAX_ARGUMENTS}")
