"""The operator's base map: settings that are checked, tiles that come through the city."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import write as write_archive

from pintu.basemap import Basemap, read_basemap
from pintu.kernel.calling import Caller
from pintu.kernel.errors import ConfigurationError
from pintu.settings import as_plain, from_plain, load_settings
from pintu.web.wall.tiles import Kept
from tests.web.small_city import SmallCity

PNG = b"\x89PNG\r\n\x1a\n" + b"demo" * 20


def archive(path: Path, kind: Any = TileType.PNG) -> Path:
    """An archive with one tile, 1/0/0."""
    with write_archive(str(path)) as writer:
        writer.write_tile(zxy_to_tileid(1, 0, 0), PNG)
        header = {
            "tile_type": kind, "tile_compression": Compression.NONE,
            "min_lon_e7": 0, "min_lat_e7": 0, "max_lon_e7": 1, "max_lat_e7": 1,
            "center_zoom": 0, "center_lon_e7": 0, "center_lat_e7": 0,
        }  # fmt: skip
        writer.finalize(header, {"name": "demo"})
    return path


def test_every_mistake_of_a_base_map_is_named(tmp_path: Path) -> None:
    """Each wrong line is a sentence, and nothing of a wrong table is used."""
    (tmp_path / "pintu.toml").write_text(
        '[basemap]\ntiles = "ftp://x/{z}"\nframe = "Mars"\nmax_zoom = 99\ncolour = 1\ncredit = 5\n'
    )
    with pytest.raises(ConfigurationError) as caught:
        load_settings(tmp_path, {})
    assert 5 == len(caught.value.mistakes)
    assert "basemap is not a table; write [basemap]" in read_basemap([])[1]
    two = {"tiles": "https://h.example/{z}/{x}/{y}.png", "pmtiles": "/nothing"}
    assert any("not both" in one for one in read_basemap(two)[1])


def test_a_base_map_reaches_every_process(tmp_path: Path) -> None:
    """What is set survives the way to a child process."""
    (tmp_path / "pintu.toml").write_text('[basemap]\napproval = "GS(2026)0000号"\n')
    settings = from_plain(as_plain(load_settings(tmp_path, {})))
    assert "GS(2026)0000号" == read_basemap(settings.basemap)[0].approval
    assert not read_basemap(settings.basemap)[0].there


def test_the_key_of_the_national_platform_stays_in_its_file(tmp_path: Path) -> None:
    """The address of a tile has the key; what is set and shown has not."""
    key = tmp_path / "key"
    key.write_text("abc123\n")
    base = read_basemap({"tianditu_key_file": str(key)})[0]
    assert "abc123" not in repr(base)
    assert "T=vec_w&x=3&y=2&l=1&tk=abc123" in base.address(0, 1, 3, 2)
    assert isinstance(base, Basemap)
    assert 2 == len(base.tiles)


def test_tiles_kept_are_bounded() -> None:
    """The oldest go when too many bytes are kept."""
    kept = Kept(most=1_000)
    for number in range(10):
        kept.put(("a", 1, number, 0), (b"x" * 100, "image/png"))
    assert None is kept.get(("a", 1, 0, 0))
    assert (b"x" * 100, "image/png") == kept.get(("a", 1, 9, 0))


@contextmanager
def with_base(city: SmallCity, **basemap: Any) -> Iterator[None]:
    before = city.rooms.settings
    city.rooms.settings = replace(before, basemap=basemap)
    yield
    city.rooms.settings = before


@pytest.mark.asyncio(loop_scope="module")
async def test_an_archive_is_served_tile_by_tile(
    wall_page: httpx.AsyncClient, shared_city: SmallCity, tmp_path: Path
) -> None:
    """A tile that is there comes as it is, one that is not is 204, one outside of the world 400."""
    path = archive(tmp_path / "city.pmtiles")
    with with_base(shared_city, pmtiles=str(path), approval="GS(2026)0000号"):
        found = await wall_page.get("/api/v1/map/tiles/0/1/0/0")
        told = (found.status_code, found.headers["content-type"], found.content)
        assert (200, "image/png", PNG) == told
        asked = ("0/1/1/1", "0/1/2/0", "1/1/0/0", "0/23/0/0")
        codes = [(await wall_page.get(f"/api/v1/map/tiles/{one}")).status_code for one in asked]
        assert [204, 400, 404, 400] == codes
        text = (await wall_page.get("/wall")).text
        assert "GS(2026)0000号" in text
        assert '"vector":false,"min":1,"max":1' in text


@pytest.mark.asyncio(loop_scope="module")
async def test_tiles_from_afar_are_asked_once_and_checked(
    wall_page: httpx.AsyncClient, shared_city: SmallCity
) -> None:
    """A picture is fetched once; what is no picture, and a server that is not there, are 503."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                asked.append((await reader.readuntil(b"\r\n\r\n")).decode().split()[1])
                body = PNG if asked[-1].startswith("/1/") else b"<html>"
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    caller = shared_city.rooms.caller = Caller(shared_city.rooms.egress)
    with with_base(shared_city, tiles=f"http://127.0.0.1:{port}/{{z}}/{{x}}/{{y}}.png"):
        for _ in range(2):
            assert PNG == (await wall_page.get("/api/v1/map/tiles/0/1/0/1")).content
        assert ["/1/0/1.png"] == asked
        assert 503 == (await wall_page.get("/api/v1/map/tiles/0/2/0/1")).status_code
        shared_city.rooms.caller = None
        assert 503 == (await wall_page.get("/api/v1/map/tiles/0/1/1/1")).status_code
    await caller.close()
    server.close()
    await server.wait_closed()


@pytest.mark.asyncio(loop_scope="module")
async def test_without_a_base_map_there_is_no_tile(wall_page: httpx.AsyncClient) -> None:
    """A city with its own geometry has no layers to ask for."""
    assert 404 == (await wall_page.get("/api/v1/map/tiles/0/1/0/0")).status_code
