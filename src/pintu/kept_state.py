"""How backups stand, for the doctor, the readiness page and the schedule: two small files of the
data folder that say when the last whole copy was made and up to when every moment is kept.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Final

from pintu.kept import Kept
from pintu.kernel.clock import iso

BASE: Final = "base"
STREAM: Final = "stream"
LATE: Final = 1.5
"""A whole copy is late when it is this many times as old as it should get."""
LATE_STREAM_S: Final = 60.0


def keep_state(data: Path, which: str, told: dict[str, Any]) -> None:
    """Note how the copies (`base`) or the stream stand; a full disk only makes it stale."""
    path = data / f"keeping-{which}.json"
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(json.dumps(told), "utf-8")
        partial.replace(path)
    except OSError:
        return


def read_state(data: Path, which: str) -> dict[str, Any]:
    """What was noted last; {} for nothing."""
    try:
        told = json.loads((data / f"keeping-{which}.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def told_of(data: Path, kept: Kept | None, *, on_server: bool = False) -> tuple[bool, str]:
    """(all is well, one sentence) of a city's backups."""
    if kept is None:
        return True, "no [backup] in pintu.toml: `pintu backup` by hand"
    base, stream = read_state(data, BASE), read_state(data, STREAM)
    now_us = time.time_ns() // 1000
    if trouble := base.get("trouble") or stream.get("trouble"):
        since = f", the last good one is of {iso(base['as_of_us'])}" if base.get("as_of_us") else ""
        return False, f"Backups stand still: {trouble}{since}"
    if not base.get("as_of_us"):
        return False, f"No backup was made yet in {kept.folder}"
    hours = (now_us - base["as_of_us"]) / 3.6e9
    sentence = f"The last whole backup is {hours:.1f} h old"
    if hours > LATE * kept.every_h:
        return False, f"{sentence}; one each {kept.every_h:g} h was asked for"
    if kept.stream and not on_server:
        behind_s = (now_us - stream.get("at_us", 0)) / 1e6
        if behind_s > LATE_STREAM_S:
            return False, f"{sentence}; what came since is not kept"
        return True, f"{sentence}, every moment since is kept ({behind_s:.0f} s behind)"
    return True, sentence
