"""A new piece from the template, and what is wrong with a piece: `pintu piece new` and `piece
check`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from pintu.kernel.errors import AlreadyExists, BadInput, ConfigurationError
from pintu.kernel.intake.words import Update
from pintu.kit.manifest import NAME, Manifest, read_manifest
from pintu.kit.piece import Piece, load_piece, settings_of
from pintu.kit.testing import replay

ROOMS = frozenset(
    {
        "piece.toml", "README.md", "__init__.py", "settings.py", "model.py", "model", "connectors",
        "normalise.py", "derive.py", "detect.py", "actions.py", "service.py", "views", "fixtures",
        "tests", "py.typed",
    }
)  # fmt: skip
PURE = ("model.py", "normalise.py", "derive.py", "detect.py")
WORLD = frozenset(
    {
        "time", "random", "socket", "http", "urllib", "asyncio", "threading", "subprocess",
        "secrets", "os", "sqlite3", "httpx", "aiomqtt", "pathlib", "shutil",
    }
)  # fmt: skip
BUILT_IN = Path(__file__).resolve().parents[1] / "pieces"


def new_piece(name: str, folder: Path) -> Path:
    """Write a small working piece to `folder/name` and return that path.

    Raises ConfigurationError for a name that is none, AlreadyExists when the path is taken.
    """
    if not NAME.fullmatch(name):
        raise ConfigurationError([f"{name!r} is not a name like 'street_lights'"])
    target = folder / name
    if target.exists():
        raise AlreadyExists(f"{target} exists already")
    package = f"pintu.pieces.{name}" if folder.resolve() == BUILT_IN else name
    for path, source in _template(files("pintu.kit") / "template"):
        text = source.read_text("utf-8")
        text = text.replace("{{name}}", name).replace("{{package}}", package)
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")
    return target


def _template(folder: Traversable, before: str = "") -> Iterator[tuple[str, Traversable]]:
    for one in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if one.is_dir():
            yield from _template(one, f"{before}{one.name}/")
        elif one.name.endswith(".tmpl"):
            yield before + one.name.removesuffix(".tmpl"), one


def check_piece(folder: Path) -> list[str]:
    """Everything wrong with the piece in a folder, as sentences; empty when all is well.

    Reads the manifest, the rooms and every import before anything of the piece is run; then
    imports it
    and lets its normaliser read its fixtures.
    """
    folder = folder.resolve()
    try:
        manifest = read_manifest(folder / "piece.toml")
    except ConfigurationError as error:
        return list(error.mistakes)
    mistakes = [*_rooms(folder), *_imports(folder, manifest)]
    if mistakes:
        return mistakes
    try:
        piece = _loaded(folder, manifest)
        piece.read_settings(settings_of(manifest, {}))
    except ConfigurationError as error:
        return list(error.mistakes)
    return list(_fixtures(folder, manifest, piece))


def _rooms(folder: Path) -> Iterator[str]:
    found = {one.name for one in folder.iterdir() if one.name not in ("__pycache__",)}
    for name in sorted(found - ROOMS):
        yield f"{name} is not a room of a piece; rooms are {', '.join(sorted(ROOMS))}"
    for name in ("README.md", "__init__.py", "normalise.py"):
        if name not in found:
            yield f"{name} is missing"


def _imports(folder: Path, manifest: Manifest) -> Iterator[str]:
    own = manifest.entry.partition(":")[0]
    for path in sorted(folder.rglob("*.py")):
        place = path.relative_to(folder).as_posix()
        try:
            tree = ast.parse(path.read_text("utf-8"))
        except (SyntaxError, UnicodeDecodeError) as error:
            yield f"{place} cannot be read: {error}"
            continue
        for module in _modules(tree):
            if module.split(".")[0] == "pintu" and not _within(module, "pintu.kit", own):
                yield f"{place} imports {module}; a piece imports only pintu.kit"
            if (place in PURE or place.startswith("model/")) and module.split(".")[0] in WORLD:
                yield f"{place} imports {module}, but is pure: what it needs is handed in"


def _modules(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _within(module: str, *rooms: str) -> bool:
    return any(module == room or module.startswith(room + ".") for room in rooms)


def _loaded(folder: Path, manifest: Manifest) -> Piece:
    """Import from beside the folder when the piece is not installed."""
    beside = str(folder.parent)
    if not manifest.entry.startswith("pintu.") and beside not in sys.path:
        sys.path.insert(0, beside)
        try:
            return load_piece(manifest)
        finally:
            sys.path.remove(beside)
    return load_piece(manifest)


def _fixtures(folder: Path, manifest: Manifest, piece: Piece) -> Iterator[str]:
    place = folder / "fixtures"
    if not place.is_dir():
        return
    for name, envelope in replay(place, f"{piece.name}/fixture"):
        try:
            found = piece.normalise(envelope)
        except BadInput:
            continue  # a fixture of what cannot be read is welcome
        except Exception as error:
            yield f"fixtures/{name}: the normaliser failed: {type(error).__name__}: {error}"
            continue
        types = {str(one.entity.get("type")) for one in found if isinstance(one, Update)}
        for kind in sorted(types - set(manifest.writes)):
            yield f"fixtures/{name} becomes a {kind}, which piece.toml does not say it writes"
