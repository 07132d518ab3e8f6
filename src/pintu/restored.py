"""A city that came out of a backup: until it is told that its original is gone it is a copy beside
it, and speaks to nobody.

`DATA/restored.json` says where it came from. Quiet: no device, source or neighbour is called,
nobody is told anything, and the sealed log's heads are not signed, for two that sign one log with
one key are a fork of it. Once somebody says `pintu up --take-over` it is the city.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from pintu.kernel.errors import ConfigurationError

NOTE: Final = "restored.json"
QUIET: Final = (
    "This city is a copy from a backup: it tells nobody anything, drives no device and signs no "
    "log. When its original is gone, start it once with `pintu up --take-over`"
)


def find_restored(data: Path) -> dict[str, Any] | None:
    """What is noted of the restore this folder came from; None for one that began here."""
    try:
        told = json.loads((data / NOTE).read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}  # half a note is a note: rather quiet than two that speak
    return told if isinstance(told, dict) else {}


def is_quiet(data: Path) -> bool:
    """Has nobody said yet that it is the city from now on?"""
    told = find_restored(data)
    return told is not None and not told.get("took_over")


def note_restored(data: Path, told: dict[str, Any]) -> None:
    """Write the note, on the disk when this returns."""
    path = data / NOTE
    partial = path.with_name(NOTE + ".partial")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(told, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def take_over(data: Path) -> None:
    """It is the city from now on; nothing for one that never was a copy. ConfigurationError for an
    empty folder: a new city would begin where somebody waits for the one that is gone."""
    told = find_restored(data)
    if told is None and not (data.is_dir() and any(data.iterdir())):
        why = f"There is nothing to take over in {data}: restore a backup first"
        raise ConfigurationError([why])
    if told is not None and not told.get("took_over"):
        note_restored(data, {**told, "took_over": True})


def settled(data: Path) -> None:
    """What was under way when the backup was made is marked: not again at the next start."""
    told = find_restored(data)
    if told is not None:
        note_restored(data, {**told, "commands_marked": True})
