"""The map under everything, as an operator sets it: `[basemap]` of pintu.toml, read and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

TIANDITU: Final = "https://t0.tianditu.gov.cn/DataServer?T={layer}&x={x}&y={y}&l={z}&tk={key}"
TIANDITU_LAYERS: Final = ("vec_w", "cva_w")
"""The national platform's map and its names, in the web's own tiling; CGCS 2000."""

FRAMES: Final = ("WGS-84", "CGCS2000", "GCJ-02")
KNOWN: Final = frozenset(
    {"approval", "credit", "frame", "max_zoom", "pmtiles", "tianditu_key_file", "tiles"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Basemap:
    """Where tiles come from (none of the three: the city's own geometry), and what must be said.

    `tiles` are addresses with {z}, {x}, {y}, lowest first; `pmtiles` an archive on this machine.
    `frame` is the one the tiles are drawn in; `approval` the number a map for the public in China
    must show (审图号).
    """

    tiles: tuple[str, ...] = ()
    pmtiles: Path | None = None
    key_file: Path | None = None
    approval: str = ""
    credit: str = ""
    frame: str = "WGS-84"
    max_zoom: int = 18

    @property
    def there(self) -> bool:
        """Whether there are tiles at all."""
        return bool(self.tiles or self.pmtiles)

    def address(self, layer: int, z: int, x: int, y: int) -> str:
        """Where one tile is asked for, with the key in it: never to be logged or shown."""
        found = self.tiles[layer]
        if self.key_file is not None:
            found = found.replace("{key}", self.key_file.read_text("utf-8").strip())
        return found.replace("{z}", str(z)).replace("{x}", str(x)).replace("{y}", str(y))


def read_basemap(told: Any) -> tuple[Basemap, list[str]]:
    """The base map and every mistake found in its table."""
    if not isinstance(told, Mapping):
        return Basemap(), ["basemap is not a table; write [basemap]"]
    mistakes = [
        f"basemap.{name} is not a setting; settings are: {', '.join(sorted(KNOWN))}"
        for name in sorted(set(told) - KNOWN)
    ]
    values: dict[str, Any] = {}
    for name in ("approval", "credit"):
        values[name] = _text(told.get(name, ""), name, mistakes)
    values["frame"] = told.get("frame", "WGS-84")
    if values["frame"] not in FRAMES:
        mistakes.append(f"basemap.frame is none of {', '.join(FRAMES)}")
    values["max_zoom"] = zoom = told.get("max_zoom", 18)
    if not isinstance(zoom, int) or isinstance(zoom, bool) or not 1 <= zoom <= 22:
        mistakes.append("basemap.max_zoom is not a whole number between 1 and 22")
    values |= _source(told, mistakes)
    return (Basemap() if mistakes else Basemap(**values)), mistakes


def _source(told: Mapping[str, Any], mistakes: list[str]) -> dict[str, Any]:
    named = [name for name in ("pmtiles", "tianditu_key_file", "tiles") if told.get(name)]
    if len(named) > 1:
        mistakes.append(f"basemap takes one of {' and '.join(named)}, not both")
    if "tiles" in named:
        address = _text(told["tiles"], "tiles", mistakes)
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            mistakes.append("basemap.tiles is not an http or https address")
        elif {"{z}", "{x}", "{y}"} - set(re.findall(r"\{[xyz]\}", address)):
            mistakes.append("basemap.tiles does not say where {z}, {x} and {y} stand")
        return {"tiles": (address,)}
    if not named:
        return {}
    path = Path(_text(told[named[0]], named[0], mistakes)).expanduser()
    if not path.is_file():
        mistakes.append(f"basemap.{named[0]} is not a file that can be read")
    if named[0] == "pmtiles":
        return {"pmtiles": path}
    tiles = tuple(TIANDITU.replace("{layer}", layer) for layer in TIANDITU_LAYERS)
    return {"tiles": tiles, "key_file": path}


def _text(value: Any, name: str, mistakes: list[str]) -> str:
    if isinstance(value, str):
        return value.strip()
    mistakes.append(f"basemap.{name} is not a text")
    return ""
