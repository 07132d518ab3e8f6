"""@contexts without internet: brought by hand, kept for ever, seen by a city that runs; hostile
ones are bounded."""

from __future__ import annotations

import asyncio
import os
import time
import zipfile
from pathlib import Path

import orjson
import pytest

from pintu.cli import run
from pintu.kernel.clock import CityClock
from pintu.kernel.egress import Egress
from pintu.kernel.errors import BadRequestData, LdContextNotAvailable, TooLarge
from pintu.kernel.jsonld import ContextLibrary
from pintu.kernel.jsonld import library as library_module
from pintu.kernel.jsonld import shelf as shelf_module
from pintu.kernel.jsonld.bundles import keep_bundle, read_bundle
from pintu.kernel.jsonld.shelf import Shelf, Stored

LAMP = {"@context": {"lamp": "https://words.example/lamp"}}
BASE = "https://words.example/city"


def written(path: Path, document: object) -> Path:
    """A file with a JSON document."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(document))
    return path


def folder(tmp_path: Path) -> Path:
    """A bundle of two files, of which one leads to the other."""
    written(tmp_path / "words" / "all.jsonld", {"@context": ["more/lamps.jsonld"]})
    written(tmp_path / "words" / "more" / "lamps.jsonld", LAMP)
    (tmp_path / "words" / "README.txt").write_text("not a @context")
    return tmp_path / "words"


def zipped(path: Path) -> Path:
    """The same as a zip."""
    packed = path.with_suffix(".zip")
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in sorted(path.rglob("*")):
            if one.is_file():
                archive.write(one, one.relative_to(path))
    return packed


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_or_zip_keeps_its_paths(tmp_path: Path, packed: bool) -> None:
    """Each file is the @context at its path below the URL, and what it refers to is found."""
    place = folder(tmp_path)
    documents = read_bundle(BASE, zipped(place) if packed else place)
    assert {f"{BASE}/all.jsonld", f"{BASE}/more/lamps.jsonld"} == documents.keys()
    assert [] == keep_bundle(Shelf(tmp_path / "contexts"), documents, 1)
    terms = ContextLibrary(tmp_path / "contexts").now(f"{BASE}/all.jsonld")
    assert terms is not None and "https://words.example/lamp" == terms.stored("lamp")


def test_an_index_says_whose_each_file_is(tmp_path: Path) -> None:
    """With index.json the names of the files mean nothing."""
    place = folder(tmp_path)
    written(place / "index.json", {"https://other.example/l": "more/lamps.jsonld"})
    assert {"https://other.example/l": LAMP} == read_bundle(BASE, place)
    written(place / "index.json", {"https://other.example/l": "gone.jsonld"})
    with pytest.raises(BadRequestData, match=r"gone\.jsonld"):
        read_bundle(BASE, place)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    """A bundle that refers to what is not in it says what else has to be brought."""
    file = written(tmp_path / "a.jsonld", {"@context": ["https://far.example/c", LAMP["@context"]]})
    missing = keep_bundle(Shelf(tmp_path / "contexts"), read_bundle(f"{BASE}/a", file), 1)
    assert ["https://far.example/c"] == missing


def test_senseless_bundles_are_refused(tmp_path: Path) -> None:
    """No web address, the core, no @context, nothing inside, a file or a zip that is too large."""
    file = written(tmp_path / "a.jsonld", LAMP)
    for url in ("nonsense", "file:///etc/passwd"):
        with pytest.raises(BadRequestData):
            read_bundle(url, file)
    core = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld"
    with pytest.raises(BadRequestData, match="built in"):
        read_bundle(core, file)
    with pytest.raises(BadRequestData, match="without @context"):
        read_bundle(BASE, written(tmp_path / "b.jsonld", {"a": 1}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadRequestData, match="no file"):
        read_bundle(BASE, tmp_path / "empty")
    written(tmp_path / "big" / "c.jsonld", "x" * 1_000_001)
    for place in (tmp_path / "big" / "c.jsonld", zipped(tmp_path / "big")):
        with pytest.raises(TooLarge):
            read_bundle(BASE, place)


def test_a_running_city_sees_what_the_command_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`pintu context add`, `list` and `remove` are seen by a library that is open."""
    library = ContextLibrary(tmp_path / "data" / "contexts", egress=Egress())
    assert library.now(BASE) is None
    file = written(tmp_path / "a.jsonld", LAMP)
    assert 0 == run(["context", "add", BASE, str(file), "--data", str(tmp_path / "data")])
    terms = asyncio.run(library.terms(BASE))
    assert "https://words.example/lamp" == terms.stored("lamp")
    assert [BASE] == [entry["URL"] for entry in library.list("Cached")]
    assert 0 == run(["context", "list", "--data", str(tmp_path / "data")])
    assert "brought by hand" in capsys.readouterr().out
    assert 0 == run(["context", "remove", BASE, "--data", str(tmp_path / "data")])
    assert [] == library.list()
    assert library.now(BASE) is None
    assert 1 == run(["context", "remove", BASE, "--data", str(tmp_path / "data")])


def test_what_was_brought_by_hand_is_never_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what was fetched the longest unused makes room; bundles and hosted ones stay."""
    monkeypatch.setattr(shelf_module, "COUNT_LIMIT", 4)
    shelf = Shelf(tmp_path / "contexts")
    keep_bundle(shelf, {BASE: LAMP}, 1)
    shelf.put(Stored(id="mine", kind="Hosted", body=LAMP, created_us=1))
    for number in range(20):
        one = Stored(
            id=f"f{number}", kind="Cached", body=LAMP, created_us=number, url=f"{BASE}/{number}"
        )
        shelf.put(one)
        shelf.make_room(one)
    assert ["", BASE, f"{BASE}/18", f"{BASE}/19"] == sorted(one.url for one in shelf)[:4]
    assert 4 == len(shelf) == len(Shelf(tmp_path / "contexts"))
    monkeypatch.setattr(shelf_module, "BYTES_LIMIT", 10)
    shelf.make_room(one)
    assert 3 == len(shelf)  # the newest stays: somebody waits for it


def test_deep_and_large_contexts_are_refused_quickly(tmp_path: Path) -> None:
    """10,000 lists in one another, 50 MB of terms: a clear error in no time."""
    library = ContextLibrary(tmp_path)
    deep: object = "https://a.example/c"
    for _ in range(10_000):
        deep = [deep]
    for hostile, error in ((deep, BadRequestData), ({"a": "x" * 50_000_000}, TooLarge)):
        began = time.thread_time()
        with pytest.raises(error):
            library.now(hostile)
        assert time.thread_time() - began < 1
    place = written(tmp_path / "deep.jsonld", 1)
    place.write_bytes(b'{"@context":' + b"[" * 10_000 + b"]" * 10_000 + b"}")
    with pytest.raises(BadRequestData):
        read_bundle(BASE, place)


async def test_a_slow_server_is_waited_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sends its @context waits no longer than the deadline."""
    monkeypatch.setattr(library_module, "DEADLINE_S", 0.1)
    asked = 0
    closed = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.read()
        writer.close()
        closed.set()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        library = ContextLibrary(tmp_path, egress=Egress(allow_loopback=True), clock=CityClock())
        url = f"http://127.0.0.1:{port}/slow"
        began = time.monotonic()
        for _ in range(3):
            with pytest.raises(LdContextNotAvailable, match=r"0\.1 s"):
                await library.terms(url)
        assert time.monotonic() - began < 2
        assert 1 == asked
        for task in library._fetcher._fetching.values():
            task.cancel()
        await closed.wait()


def test_a_folder_that_cannot_be_read_keeps_what_is_known(tmp_path: Path) -> None:
    """The disk may go away under a running city: what it has met it still knows."""
    shelf = Shelf(tmp_path / "contexts")
    keep_bundle(shelf, {BASE: LAMP}, 1)
    os.rename(tmp_path / "contexts", tmp_path / "moved")
    assert not shelf.refresh()
    assert shelf.by_url(BASE) is not None
