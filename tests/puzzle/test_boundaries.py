"""The puzzle's edges: who may import whom, read from the source so that nothing need be running."""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src" / "pintu"
PIECES = sorted(one.parent.name for one in (SRC / "pieces").glob("*/piece.toml"))
ROOMS = {
    "piece.toml",
    "README.md",
    "__init__.py",
    "settings.py",
    "model.py",
    "model",
    "connectors",
    "mappings",
    "normalise.py",
    "derive.py",
    "detect.py",
    "actions.py",
    "service.py",
    "views",
    "fixtures",
    "tests",
}
PURE = {
    "time",
    "datetime.now",
    "random",
    "socket",
    "http",
    "urllib.request",
    "asyncio",
    "threading",
    "subprocess",
    "httpx",
    "secrets",
    "os",
    "apsw",
    "sqlite3",
}


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """What the rules below look at in a file: its imports and its constants."""
    looked_at = (ast.Import, ast.ImportFrom, ast.Constant)
    tree = ast.parse(path.read_text("utf-8"))
    return tuple(one for one in ast.walk(tree) if isinstance(one, looked_at))


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module a file imports, as an absolute name; `from a import b` gives `a.b`."""
    package = path.relative_to(SRC.parent).with_suffix("").parts
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found.update(one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level] if node.level else ()
            module = ".".join([*start, *([node.module] if node.module else [])])
            found.update(f"{module}.{one.name}" for one in node.names)
    return frozenset(found)


def ours(path: Path) -> set[str]:
    """What a file imports of Pintu."""
    return {one for one in imports(path) if one == "pintu" or one.startswith("pintu.")}


def within(module: str, *rooms: str) -> bool:
    """True when the module is one of the rooms or inside of one."""
    return any(module == room or module.startswith(room + ".") for room in rooms)


def test_there_are_pieces() -> None:
    """The guard sees at least the reference piece."""
    assert "street_lights" in PIECES


@pytest.mark.parametrize("piece", PIECES)
def test_a_piece_imports_only_the_kit(piece: str) -> None:
    """A piece reaches Pintu through `pintu.kit` alone, besides its own rooms."""
    own = f"pintu.pieces.{piece}"
    wrong = {
        f"{path.relative_to(SRC)} imports {one}"
        for path in (SRC / "pieces" / piece).rglob("*.py")
        for one in ours(path)
        if not within(one, "pintu.kit", own)
    }
    assert set() == wrong


@pytest.mark.parametrize("piece", PIECES)
def test_a_piece_has_the_same_rooms_as_every_other(piece: str) -> None:
    """A room may be missing; it is never renamed and none is added."""
    folder = SRC / "pieces" / piece
    found = {one.name for one in folder.iterdir() if one.name != "__pycache__"}
    assert set() == found - ROOMS


@pytest.mark.parametrize("piece", PIECES)
def test_a_piece_is_named_like_its_folder(piece: str) -> None:
    """The manifest can be read without importing the piece, and tells the folder's name."""
    told = tomllib.loads((SRC / "pieces" / piece / "piece.toml").read_text("utf-8"))
    assert piece == told["name"]


def test_the_demo_imports_nothing_of_ours() -> None:
    """The demo city stands behind the wire."""
    wrong = {
        f"{path.relative_to(SRC)} imports {one}"
        for path in (SRC / "demo").rglob("*.py")
        for one in ours(path)
        if not within(one, "pintu.demo")
    }
    assert set() == wrong


def pieces_named(node: ast.AST) -> list[str]:
    """The pieces that a constant or an import names."""
    if isinstance(node, ast.Constant):
        return [one for one in PIECES if isinstance(node.value, str) and node.value == one]
    module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
    return [one for one in PIECES if within(module, f"pintu.pieces.{one}")]


@pytest.mark.parametrize("room", ["kernel", "web", "kit", "protocols", "vocabulary", "processes"])
def test_nobody_names_a_piece(room: str) -> None:
    """Pieces are found at run time: no code outside of `pieces` says a piece's name."""
    wrong = [
        f"{path.relative_to(SRC)}:{node.lineno} says {piece}"
        for path in (SRC / room).rglob("*.py")
        for node in nodes(path)
        for piece in pieces_named(node)
    ]
    assert [] == wrong


def test_the_kernel_imports_nothing_above_it() -> None:
    """The kernel knows neither web, kit, pieces, city nor settings, also not for its types."""
    wrong = {
        f"{path.relative_to(SRC)} imports {one}"
        for path in (SRC / "kernel").rglob("*.py")
        for one in ours(path)
        if not within(one, "pintu.kernel", "pintu.protocols")
    }
    assert set() == wrong


def test_the_kit_is_a_small_sorted_facade() -> None:
    """`pintu.kit` offers at most 40 names, in order."""
    module = ast.parse((SRC / "kit" / "__init__.py").read_text("utf-8"))
    names = next(
        [ast.literal_eval(one) for one in node.value.elts]  # type: ignore[attr-defined]
        for node in module.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and "__all__" in ast.unparse(node).split("=")[0]
    )
    assert (sorted(names), True) == (names, len(names) <= 40)


def pure_files() -> list[Path]:
    """The files that must not reach for the world."""
    pieces = [SRC / "pieces" / one for one in PIECES]
    return [
        *(SRC / "kernel" / "context").rglob("*.py"),
        *(
            one / name
            for one in pieces
            for name in ("model.py", "normalise.py", "detect.py", "derive.py")
            if (one / name).exists()
        ),
        *(path for one in pieces for path in (one / "model").glob("*.py")),
    ]


@pytest.mark.parametrize("path", pure_files(), ids=lambda path: str(path.relative_to(SRC)))
def test_the_middle_is_pure(path: Path) -> None:
    """The pure rooms import no clock, network, file or randomness."""
    assert set() == {one for one in imports(path) if one.split(".")[0] in PURE}
