"""Bundles: @contexts brought by hand into a city without internet, from a file, folder or zip."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import urljoin, urlsplit
from uuid import uuid4

import orjson

from pintu.kernel.errors import BadRequestData, TooLarge
from pintu.kernel.jsonld.compile import remote_parts
from pintu.kernel.jsonld.core import CORE_URLS
from pintu.kernel.jsonld.fetching import SIZE_LIMIT, read_document
from pintu.kernel.jsonld.shelf import Shelf, Stored

FILES_LIMIT: Final = 1_000
BYTES_LIMIT: Final = 50_000_000
INDEX: Final = "index.json"
"""A list of a folder or zip: URL → name of the file; without it names follow the URL told."""
_ENDINGS: Final = (".jsonld", ".json")


def read_bundle(url: str, path: Path) -> dict[str, dict[str, Any]]:
    """URL → document of a file, or of every @context in a folder or zip below `url`.

    Raises BadRequestData for what is no @context or no web address, TooLarge over a limit, OSError.
    """
    if path.is_dir():
        found = _folder(path)
    elif zipfile.is_zipfile(path):
        found = _zipped(path)
    else:
        if path.stat().st_size > SIZE_LIMIT:
            raise TooLarge(f"{path.name} has more than {SIZE_LIMIT} bytes")
        return {_address(url): read_document(path.read_bytes(), url, url)}
    files = dict(_bounded(found))
    if not files:
        raise BadRequestData(f"{path.name} holds no file that ends with .jsonld or .json")
    return {
        _address(address): read_document(files[name], address, address)
        for address, name in _index(files, url).items()
    }


def keep_bundle(shelf: Shelf, documents: dict[str, dict[str, Any]], now_us: int) -> list[str]:
    """Put documents on the shelf for ever; returns what they refer to that is not there."""
    for url, body in documents.items():
        kept = shelf.by_url(url)
        id = kept.id if kept else str(uuid4())
        shelf.put(Stored(id=id, kind="Cached", body=body, created_us=now_us, url=url, bundled=True))
    asked = {one for url, body in documents.items() for one in remote_parts(body, url)}
    return sorted(url for url in asked if shelf.by_url(url) is None)


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadRequestData(f"{url[:200]} is not an http or https address")
    if url in CORE_URLS:
        raise BadRequestData(f"{url} is a core @context, which is built in")
    return url


def _index(files: dict[str, bytes], url: str) -> dict[str, str]:
    """Which file is whose: the bundle's own list, or each file's path below the URL."""
    if INDEX not in files:
        base = url if url.endswith("/") else f"{url}/"
        return {urljoin(base, name): name for name in files}
    listed = orjson.loads(files[INDEX])
    if not isinstance(listed, dict) or "@context" in listed:
        raise BadRequestData(f"{INDEX} is not an object of URLs and file names")
    missing = [str(name) for name in listed.values() if name not in files]
    if missing:
        raise BadRequestData(f"{INDEX} names {', '.join(missing)[:200]}, which is not there")
    return listed


def _folder(path: Path) -> Iterator[tuple[str, int, Any]]:
    for one in sorted(path.rglob("*")):
        if one.is_file():
            yield one.relative_to(path).as_posix(), one.stat().st_size, one.open


def _zipped(path: Path) -> Iterator[tuple[str, int, Any]]:
    with zipfile.ZipFile(path) as archive:
        for one in archive.infolist():
            name = PurePosixPath(one.filename)
            if not one.is_dir() and not name.is_absolute() and ".." not in name.parts:
                yield name.as_posix(), one.file_size, lambda mode, one=one: archive.open(one)


def _bounded(found: Iterator[tuple[str, int, Any]]) -> Iterator[tuple[str, bytes]]:
    """The files that may be @contexts, read no further than they may be long."""
    count = total = 0
    for name, size, opened in found:
        if not name.endswith(_ENDINGS):
            continue
        count, total = count + 1, total + size
        if count > FILES_LIMIT or total > BYTES_LIMIT:
            raise TooLarge(f"A bundle may have {FILES_LIMIT} files of {BYTES_LIMIT} bytes together")
        with opened("rb") as stream:
            text = stream.read(SIZE_LIMIT + 1)
        if len(text) > SIZE_LIMIT:
            raise TooLarge(f"{name} has more than {SIZE_LIMIT} bytes")
        yield name, text
