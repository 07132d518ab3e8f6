"""One folder, one readable TOML file a thing; every version kept, no save over another's save."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tomli_w

from pintu.kernel.clock import Clock, iso
from pintu.kernel.errors import (
    BadRequestData,
    ConfigurationError,
    DiskFull,
    ResourceNotFound,
    StateConflict,
    TooLarge,
)

KINDS: Final = (
    "sources", "mappings", "datasets", "pages", "words", "policies", "agreements", "channels",
    "playbooks", "warnings", "operations", "tenants",
)  # fmt: skip
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
LARGEST_FILE: Final = 1_000_000
MOST_FILES: Final = 5_000  # of one kind
KEPT_VERSIONS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """One thing as it stands in the folder. `version` counts its saves from 1; a file somebody
    edited by hand is one version above the last that was saved here."""

    kind: str
    name: str
    version: int
    text: str
    content: dict[str, Any]
    saved_us: int


class Configuration:
    """Reads and writes `DATA/config`. Several processes may: files appear whole or not at all."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder, self._clock = folder, clock

    def list_saved(self, kind: str) -> list[Saved]:
        """Everything of a kind that can be read, by name; see `mistakes` for what cannot."""
        found = []
        for path in self._files(kind):
            try:
                found.append(self._read(kind, path))
            except ConfigurationError:
                continue
        return found

    def mistakes(self, kind: str) -> list[str]:
        """One sentence for each file of a kind that cannot be read."""
        found = []
        for path in self._files(kind):
            try:
                self._read(kind, path)
            except ConfigurationError as error:
                found += error.mistakes
        return found

    def find(self, kind: str, name: str) -> Saved | None:
        """One thing, or None; ConfigurationError when its file cannot be read."""
        path = self._path(kind, name)
        return self._read(kind, path) if path.is_file() else None

    def get(self, kind: str, name: str) -> Saved:
        """One thing; ResourceNotFound."""
        found = self.find(kind, name)
        if found is None:
            raise ResourceNotFound(f"There is nothing called {name!r} among the {kind}")
        return found

    def save(
        self, kind: str, name: str, content: dict[str, Any], *, by: str, over: int | None = None
    ) -> Saved:
        """Keep a new version, durable when this returns.

        `over` is the version the writer looked at (0: there was none): StateConflict when somebody
        saved since. The same content again is no new version.
        """
        path = self._path(kind, name)
        before = self.find(kind, name)
        if over is not None and over != (before.version if before else 0):
            raise StateConflict(
                f"{name!r} among the {kind} is at version {before.version if before else 0}, "
                f"not {over}: somebody saved it meanwhile; look at it and save again"
            )
        if before is not None and before.content == content:
            return before
        if before is None and len(self._files(kind)) >= MOST_FILES:
            raise TooLarge(f"There are {MOST_FILES} {kind} already")
        version = before.version + 1 if before else self._last_version(kind, name) + 1
        text = self._text(kind, name, content, version=version, by=by)
        if before is not None:
            self._keep(before)  # an edit by hand is in no earlier version yet
        _write(path, text)
        saved = self._read(kind, path, version=version)
        self._keep(saved)
        return saved

    def delete(self, kind: str, name: str) -> None:
        """Take a thing out of the folder; its versions stay, and so does a file that cannot be
        read, beside them as `broken-….toml`. ResourceNotFound."""
        path = self._path(kind, name)
        try:
            self._keep(self.get(kind, name))
        except ConfigurationError:
            folder = self.folder / ".versions" / kind / name
            folder.mkdir(parents=True, exist_ok=True)
            path.replace(folder / f"broken-{self._clock.now_us()}.toml")
            return
        path.unlink()

    def versions(self, kind: str, name: str) -> list[Saved]:
        """Every kept version, newest first; those of deleted things too."""
        found = [
            self._read(kind, path, version=number)
            for number, path in self._kept(kind, name)[-KEPT_VERSIONS:]
        ]
        now = self.find(kind, name)
        if now is not None and (not found or found[-1].text != now.text):
            found.append(now)
        return found[::-1]

    def signature(self) -> tuple[tuple[str, int, int], ...]:
        """Differs whenever a file came, went or changed: for other processes to look at each
        second."""
        seen = []
        for kind in KINDS:
            for path in self._files(kind):
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue
                seen.append((f"{kind}/{path.stem}", status.st_mtime_ns, status.st_size))
        return tuple(seen)

    def _files(self, kind: str) -> list[Path]:
        _known(kind)
        return sorted((self.folder / kind).glob("*.toml"))

    def _path(self, kind: str, name: str) -> Path:
        _known(kind)
        if not NAME.fullmatch(name):
            raise BadRequestData(
                f"Name {name[:70]!r} is not one: small Latin letters, digits and _, "
                "a letter first, at most 64"
            )
        return self.folder / kind / f"{name}.toml"

    def _read(self, kind: str, path: Path, *, version: int | None = None) -> Saved:
        where = f"config/{kind}/{path.name}"
        if not NAME.fullmatch(path.stem) and version is None:
            raise ConfigurationError([f"{where} is not named like 'air_stations.toml'"])
        try:
            if path.stat().st_size > LARGEST_FILE:
                raise ConfigurationError([f"{where} is larger than {LARGEST_FILE} bytes"])
            text = path.read_text("utf-8")
            content = tomllib.loads(text)
            saved_us = path.stat().st_mtime_ns // 1000
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigurationError([f"{where} cannot be read: {error}"]) from error
        name = path.stem
        if version is None:
            kept = self._kept(kind, name)
            version = kept[-1][0] if kept else 0
            if not kept or kept[-1][1].read_text("utf-8") != text:
                version += 1
        else:
            name = path.parent.name if path.parent.name != kind else name
        return Saved(
            kind=kind, name=name, version=version, text=text, content=content, saved_us=saved_us
        )

    def _text(self, kind: str, name: str, content: dict[str, Any], *, version: int, by: str) -> str:
        try:
            body = tomli_w.dumps(content, multiline_strings=True)
        except (TypeError, ValueError) as error:
            raise BadRequestData(f"{name!r} cannot be written as TOML: {error}") from error
        who = re.sub(r"[^\w:@. -]", " ", by)[:100]
        text = f"# {kind}/{name}, version {version}, {iso(self._clock.now_us())}, {who}\n{body}"
        if len(text.encode()) > LARGEST_FILE:
            raise TooLarge(f"{name!r} among the {kind} is larger than {LARGEST_FILE} bytes")
        return text

    # --- versions -----------------------------------------------------------------------------
    def _kept(self, kind: str, name: str) -> list[tuple[int, Path]]:
        folder = self.folder / ".versions" / kind / name
        return sorted((int(one.stem), one) for one in folder.glob("*.toml") if one.stem.isdigit())

    def _last_version(self, kind: str, name: str) -> int:
        kept = self._kept(kind, name)
        return kept[-1][0] if kept else 0

    def _keep(self, saved: Saved) -> None:
        folder = self.folder / ".versions" / saved.kind / saved.name
        path = folder / f"{saved.version}.toml"
        if not path.exists():
            _write(path, saved.text)
        for _, old in self._kept(saved.kind, saved.name)[:-KEPT_VERSIONS]:
            old.unlink(missing_ok=True)


def _known(kind: str) -> None:
    if kind not in KINDS:
        raise BadRequestData(f"{kind!r} is not a kind of configuration: {', '.join(KINDS)}")


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and on the disk."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise DiskFull(f"{path.name} cannot be written: {error.strerror}") from error
