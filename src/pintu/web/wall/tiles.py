"""/api/v1/map/tiles: the operator's base map through the city, so that a page asks nobody else and
no key leaves the machine. Tiles are kept in memory, bounded; an archive is read where it lies.
"""

from __future__ import annotations

import gzip
from collections import OrderedDict
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from litestar import Response, get

from pintu.basemap import Basemap, read_basemap
from pintu.kernel.calling import Ask
from pintu.kernel.errors import InvalidRequest, ResourceNotFound, Unavailable
from pintu.web.house import house_of
from pintu.web.visit import AnyRequest, enter

if TYPE_CHECKING:
    from pintu.web.rooms import Rooms

KEPT_BYTES: Final = 64 * 2**20
LARGEST: Final = 4 * 2**20
PICTURES: Final = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"RIFF": "image/webp",
}
VECTOR: Final = "application/vnd.mapbox-vector-tile"
Tile = tuple[bytes, str]
"""Its bytes and media type; no bytes: there is none at that place."""


class Kept:
    """The tiles asked for last, as many as fit."""

    def __init__(self, most: int = KEPT_BYTES) -> None:
        self._most, self._bytes = most, 0
        self._tiles: OrderedDict[tuple[str, int, int, int], Tile] = OrderedDict()

    def get(self, key: tuple[str, int, int, int]) -> Tile | None:
        """A tile that was asked for before."""
        found = self._tiles.get(key)
        if found is not None:
            self._tiles.move_to_end(key)
        return found

    def put(self, key: tuple[str, int, int, int], tile: Tile) -> None:
        """Keep one; those asked for longest ago go."""
        self._bytes += len(tile[0]) + 200
        self._tiles[key] = tile
        while self._bytes > self._most:
            _, (gone, _) = self._tiles.popitem(last=False)
            self._bytes -= len(gone) + 200


KEPT: Final = Kept()


def basemap_of(rooms: Rooms) -> Basemap:
    """The base map of the settings."""
    return read_basemap(rooms.settings.basemap)[0]


def told_of(rooms: Rooms) -> dict[str, Any]:
    """What a page must know: which layers there are, of which kind, in which frame, and the words
    that must stand on the map."""
    base = basemap_of(rooms)
    layers = []
    if base.pmtiles is not None:
        header = archive(base.pmtiles, base.pmtiles.stat().st_mtime_ns).header()
        vector = header["tile_type"].name == "MVT"
        layers = [{"vector": vector, "min": header["min_zoom"], "max": header["max_zoom"]}]
    elif base.tiles:
        layers = [{"vector": False, "min": 0, "max": base.max_zoom} for _ in base.tiles]
    return {
        "layers": layers,
        "frame": base.frame,
        "approval": base.approval,
        "credit": base.credit or ("天地图" if base.key_file is not None else ""),
    }


@lru_cache(maxsize=4)
def archive(path: Path, changed_ns: int) -> Any:
    """An archive's reader, opened once as long as the file stays the same."""
    del changed_ns
    reading: Any = import_module("pmtiles.reader")  # untyped, and only who has an archive needs it
    with path.open("rb") as file:
        return reading.Reader(reading.MmapSource(file))


def from_archive(path: Path, z: int, x: int, y: int) -> Tile:
    """A tile of an archive, unpacked."""
    found = archive(path, path.stat().st_mtime_ns).get(z, x, y) or b""
    if found[:2] == b"\x1f\x8b":
        found = gzip.decompress(found)
    return bytes(found), kind_of(found) or VECTOR


def kind_of(data: bytes) -> str:
    """The media type of a picture by its first bytes; empty for what is none."""
    return next((kind for sign, kind in PICTURES.items() if data.startswith(sign)), "")


async def from_afar(rooms: Rooms, base: Basemap, layer: int, place: tuple[int, int, int]) -> Tile:
    """A tile of the operator's address; Unavailable where it does not come or is no picture."""
    z, x, y = place
    if rooms.caller is None:
        raise Unavailable("This city calls nobody: a base map by address needs that")
    address = base.address(layer, z, x, y)
    try:
        reply = await rooms.caller.call(Ask(method="GET", url=address, limit=LARGEST))
    except Unavailable as error:
        raise Unavailable("The base map's server does not answer") from error  # no key in it
    if reply.status in (204, 404):
        return b"", ""
    if reply.status != 200 or not kind_of(reply.body):
        raise Unavailable(f"The base map's server answered {reply.status} and no picture")
    return reply.body, kind_of(reply.body)


@get("/map/tiles/{layer:int}/{z:int}/{x:int}/{y:int}", summary="A tile of the base map")
async def tile(request: AnyRequest, layer: int, z: int, x: int, y: int) -> Response[bytes]:
    """One tile of the operator's base map; 204 where it has none."""
    house = house_of(request)
    enter(request, house.rooms)
    base = basemap_of(house.rooms)
    count = 1 if base.pmtiles is not None else len(base.tiles)
    if layer >= count:
        raise ResourceNotFound(f"Base map layer {layer} does not exist")
    if not (0 <= z <= 22 and 0 <= x < 2**z and 0 <= y < 2**z):
        raise InvalidRequest(f"Tile {z}/{x}/{y} lies outside of the world")
    if base.pmtiles is not None:
        found = from_archive(base.pmtiles, z, x, y)
    else:
        key = (base.tiles[layer], z, x, y)
        kept = KEPT.get(key)
        found = kept or await from_afar(house.rooms, base, layer, (z, x, y))
        if kept is None:
            KEPT.put(key, found)
    headers = {"Cache-Control": "private, max-age=86400"}
    if not found[0]:
        return Response(b"", status_code=204, headers=headers)
    return Response(found[0], media_type=found[1], headers=headers)


HANDLERS: Final[tuple[Any, ...]] = (tile,)
