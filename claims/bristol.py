"""A whole city's lamps imported at once: seconds, memory, first paint of the map with them."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.http_ops import City

Claim = tuple[str, str, str, str]


def shared_data() -> Path | None:
    """The folder of real data beside the project, when it is there."""
    for folder in (os.environ.get("PINTU_SHARED_DATA", ""), "../shared/data"):
        path = Path(folder) / "lamps" / "bristol_streetlights.csv"
        if folder and path.exists():
            return path
    return None


def as_ndjson(source: Path, target: Path) -> int:
    """One Streetlight a row with a position; returns how many."""
    count = 0
    with source.open(newline="", encoding="utf-8-sig") as rows, target.open("w") as out:
        for row in csv.DictReader(rows):
            cells = {k.strip().lower(): v for k, v in row.items() if k}
            lon = cells.get("x") or cells.get("lon") or cells.get("longitude") or ""
            lat = cells.get("y") or cells.get("lat") or cells.get("latitude") or ""
            try:
                point = [float(lon), float(lat)]
            except ValueError:
                continue
            count += 1
            entity = {
                "id": f"urn:ngsi-ld:Streetlight:bristol:{count:05d}",
                "type": "Streetlight",
                "location": {
                    "type": "GeoProperty",
                    "value": {"type": "Point", "coordinates": point},
                },
                "status": {"type": "Property", "value": "ok"},
                "powerState": {"type": "Property", "value": "on" if count % 3 else "off"},
            }
            out.write(json.dumps(entity) + "\n")
    return count


def run(full: bool) -> list[Claim]:
    """Import with the installed command into a running city; `full` changes nothing here."""
    source = shared_data()
    if source is None:
        return [
            (
                "Bristol's lamps imported",
                "",
                "≤ 30 s, ≤ 150 MB extra",
                "not run: shared data is not beside the project",
            )
        ]
    with tempfile.TemporaryDirectory(prefix="pintu-bristol-") as name:
        file = Path(name) / "lamps.ndjson"
        count = as_ndjson(source, file)
        city = City(Path(name) / "data")
        try:
            before = city.broker_mb()
            began = time.monotonic()
            done = subprocess.run(
                [sys.executable, "-m", "pintu", "import", str(file), "--data", str(city.folder)],
                capture_output=True,
                text=True,
                env={**os.environ, "PINTU_PORT": str(city.port)},
            )
            seconds, extra = time.monotonic() - began, city.broker_mb() - before
        finally:
            city.stop()
    good = done.returncode == 0 and seconds <= 30 and extra <= 150
    figure = f"{count} entities, {seconds:.1f} s, {extra:.0f} MB extra"
    if done.returncode:
        figure += f"; exit {done.returncode}: {done.stderr.strip()[-200:]}"
    return [
        ("Bristol's lamps imported", figure, "≤ 30 s, ≤ 150 MB extra", "ok" if good else "short")
    ]


if __name__ == "__main__":
    for claim in run(False):
        print(*claim, sep=" · ")
