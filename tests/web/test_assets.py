"""What a browser loads: pinned, checked, all from here, with a font for rare characters."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import re
import tarfile
from pathlib import Path
from types import ModuleType

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
VENDOR = ROOT / "src/pintu/web/static/vendor"
RARE = "㐂𠮷·䶮㛃㛚鿃鿀鿍𬭼𫖯𫠊𫄸𬘬喆靐龘"


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_lock_pins_everything_and_names_no_host() -> None:
    """package.json has exact versions; the lock has a checksum for each and no address at all."""
    wanted = json.loads((ROOT / "package.json").read_text())["dependencies"]
    text = (ROOT / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    assert "://" not in text
    assert wanted == packages[""]["dependencies"]
    for name, version in wanted.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name
        assert version == packages[f"node_modules/{name}"]["version"]
    for name, package in packages.items():
        assert not name or package["integrity"].startswith("sha512-"), name


def test_rare_characters_have_a_font() -> None:
    """Every character of rare names is within a slice of a bundled font, and the slice is there."""
    sheet = VENDOR / "fonts" / "fonts.css"
    if not sheet.exists():
        pytest.skip("assets are not brought in (pip install -e .)")
    faces = re.findall(r"src:url\(([^)]+)\).*?unicode-range:([^}]+)\}", sheet.read_text())
    assert faces
    held: dict[int, str] = {}
    for file, ranges in faces:
        for part in ranges.split(","):
            low, _, high = part.strip().upper().removeprefix("U+").partition("-")
            for point in range(int(low, 16), int(high or low, 16) + 1):
                held.setdefault(point, file)
    assert [] == [one for one in RARE if ord(one) not in held]
    assert all((VENDOR / "fonts" / file).exists() for file, _ in faces)
    level_one = [point for point in range(0x4E00, 0x9FA6) if point not in held]
    assert [] == level_one


def test_a_changed_archive_is_refused(hook: ModuleType, tmp_path: Path) -> None:
    """An archive whose checksum is not the pinned one brings an error that names the package."""
    archive = tmp_path / "x.tgz"
    archive.write_bytes(b"not what was pinned")
    with pytest.raises(hook.AssetError, match=r"echarts is not what package-lock\.json pins"):
        hook.check(archive, "sha512-" + base64.b64encode(b"0" * 64).decode(), "echarts")
    good = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    hook.check(archive, "sha512-" + good, "echarts")


def test_no_registry_is_said_plainly(
    hook: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """When npm cannot be reached, the error says what is missing and what to do."""
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    locked = {"node_modules/htmx.org": {"version": "2.0.11", "integrity": "sha512-x"}}
    with pytest.raises(hook.AssetError, match="check the network"):
        hook.fetch(["htmx.org"], locked, tmp_path)


def test_assets_are_brought_once(
    hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same pins the second time does nothing; a later font brings only what is new."""
    lock = {"packages": {"": {"dependencies": {}}}}
    (tmp_path / "package-lock.json").write_text(json.dumps(lock))

    def fake_fetch(names: list[str], locked: object, folder: Path) -> dict[str, Path]:
        del names, locked
        for name, files in hook.KEPT.items():
            for file in files:
                (folder / name / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / name / file).write_text(name)
        for number, (name, sheet, licence, _) in enumerate(hook.FONTS):
            (folder / name / sheet).parent.mkdir(parents=True, exist_ok=True)
            (folder / name / licence).write_text("OFL")
            faces = ["U+4e00-4e10"] + (["U+20000-20010"] if number else [])
            text = ""
            for index, ranges in enumerate(faces):
                slice_file = (folder / name / sheet).parent / f"{number}-{index}.woff2"
                slice_file.write_bytes(b"font")
                text += f"@font-face{{font-family:'F{number}';src:url(./{slice_file.name})"
                text += f" format('woff2');unicode-range:{ranges}}}"
            (folder / name / sheet).write_text(text)
        return {name: folder / name for name in [*hook.KEPT, *(font[0] for font in hook.FONTS)]}

    monkeypatch.setattr(hook, "fetch", fake_fetch)
    vendor = tmp_path / "static" / "vendor"
    assert hook.bring_assets(tmp_path, vendor)
    assert not hook.bring_assets(tmp_path, vendor)
    css = (vendor / "fonts" / "fonts.css").read_text()
    assert 2 == css.count("@font-face")
    assert (vendor / "maplibre-gl" / "maplibre-gl-csp.js").exists()


def test_archives_cannot_reach_outside(hook: ModuleType, tmp_path: Path) -> None:
    """Unpacking refuses a path outside of its folder."""
    archive = tmp_path / "evil.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        info = tarfile.TarInfo("../outside.txt")
        tar.addfile(info)
    with pytest.raises(hook.AssetError, match="outside of its folder"):
        hook.unpack(archive, tmp_path / "in")
    assert not (tmp_path / "outside.txt").exists()


async def test_static_files(page: httpx.AsyncClient) -> None:
    """Static files are typed, compressed, kept under their mark; nothing else can be read there."""
    answer = await page.get("/static/shell.css?v=1")
    assert "text/css; charset=utf-8" == answer.headers["content-type"]
    assert "gzip" == answer.headers["content-encoding"]
    assert "immutable" in answer.headers["cache-control"]
    for path in ("../app.py", "..%2fapp.py", "vendor/.stamp", "nothing.js", "%2e%2e/app.py"):
        assert 404 == (await page.get(f"/static/{path}")).status_code, path
